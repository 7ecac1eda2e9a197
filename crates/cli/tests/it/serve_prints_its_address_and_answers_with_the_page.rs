//! The first steps of a new user: start the server, open the address.

use crate::program;

#[test]
fn serve_prints_its_address_and_answers_with_the_page() {
    let server = program::Server::start(&[]);
    assert!(server.url.starts_with("http://127.0.0.1:"), "{}", server.url);
    let page = server.get("/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("\r\ncontent-type: text/html; charset=utf-8\r\n"), "{page}");
    assert!(page.contains("\r\ncontent-security-policy: default-src 'none'; "), "{page}");
    assert!(page.contains("<title>Sockeye</title>"), "{page}");
    let is_asset = |part: &&str| [".js", ".css", ".svg"].iter().any(|end| part.ends_with(end));
    let assets: Vec<_> = page.split('"').filter(is_asset).collect();
    assert_eq!(assets, ["/icon.svg", "/style.css", "/app.js"]);
    for part in assets {
        let answer = server.get(part);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{part}: {answer}");
        assert!(answer.contains("\r\nx-content-type-options: nosniff\r\n"), "{part}: {answer}");
    }
}
