//! The health check of load balancers.

use crate::program;

#[test]
fn healthz_answers_ok() {
    let answer = program::Server::start(&[]).get("/healthz");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
}
