//! A request by `http://` to a TLS port is redirected to `https://`.

use crate::program;

#[test]
fn plain_http_on_a_tls_port_is_sent_to_https() {
    let server = program::Server::start(&["--self-signed"]);
    let answer = server.get("/healthz?a=b");
    assert!(answer.starts_with("HTTP/1.1 307 Temporary Redirect\r\n"), "{answer}");
    let location = format!("\r\nlocation: https://{}/healthz?a=b\r\n", server.address);
    assert!(answer.contains(&location), "{answer}");
}
