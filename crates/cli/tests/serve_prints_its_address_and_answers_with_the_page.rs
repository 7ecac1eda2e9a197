//! The first thing a newcomer does: start it, open the address.

mod program;

#[test]
fn serve_prints_its_address_and_answers_with_the_page() {
    let server = program::Server::start(&[]);
    assert!(server.url.starts_with("http://127.0.0.1:"), "{}", server.url);
    let page = server.page("/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("\r\ncontent-type: text/html; charset=utf-8\r\n"), "{page}");
    assert!(page.contains("\r\ncontent-security-policy: default-src 'none'; "), "{page}");
    assert!(page.contains("<title>Sockeye</title>"), "{page}");
    for part in page.split(['"']).filter(|part| part.starts_with('/') && part.contains('.')) {
        let answer = server.page(part);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{part}: {answer}");
        assert!(answer.contains("\r\nx-content-type-options: nosniff\r\n"), "{part}: {answer}");
    }
}
