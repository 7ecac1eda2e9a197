//! `--self-signed` needs no files and serves TLS at once.

use crate::program;
use std::io::{Read, Write};

use crate::program::any_issuer;
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;

#[test]
fn self_signed_serves_https_under_every_name_of_this_machine() {
    let server = program::Server::start(&["--self-signed"]);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);

    let (config, verifier) = any_issuer::client_config();
    let name = ServerName::try_from("localhost").unwrap();
    let session = rustls::ClientConnection::new(config, name).unwrap();
    let mut stream = rustls::StreamOwned::new(session, server.dial());
    write!(
        stream,
        "GET /healthz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        server.address
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");

    let certificate = verifier.certificate.lock().unwrap().take().unwrap();
    let certificate = ParsedCertificate::try_from(&certificate).unwrap();
    for name in ["localhost", "127.0.0.1", "::1"] {
        verify_server_name(&certificate, &ServerName::try_from(name).unwrap()).unwrap();
    }
}
