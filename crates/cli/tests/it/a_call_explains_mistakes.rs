//! Every mistake of a call has its exit code, and an error that says what to do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sockeye_gateway::auth::{AuthorizeFuture, Authorizer, CallHead};
use sockeye_gateway::status::{Code, Status};
use sockeye_gateway_testing::{DESCRIPTORS, Options, ReflectionVersion};

use crate::program::grpc::{ECHO, Grpc, outcome};
use crate::program::sockeye;

/// Checks the exit code, the phrases of the error, and that nothing is printed as a response.
fn fails(arguments: &[&str], code: i32, phrases: &[&str]) {
    let called = outcome(arguments);
    assert_eq!(called.code, code, "{arguments:?}: {}", called.errors);
    assert_eq!(called.out, "", "{arguments:?}");
    for phrase in phrases {
        assert!(called.errors.contains(phrase), "{arguments:?}: {}", called.errors);
    }
}

#[test]
fn an_address_without_a_server_is_named() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    fails(&[&address], 4, &["cannot connect to", &address, "refused"]);
    let method = format!("{ECHO}/Unary");
    let file = descriptors("refused");
    for protocol in ["grpc", "grpc-web", "connect", "websocket", "json"] {
        let set = file.to_str().unwrap();
        let flags = ["--descriptor-set", set, "--protocol", protocol, "-d", "{\"text\":\"a\"}"];
        let mut arguments = vec![address.as_str(), &method];
        arguments.extend(flags);
        fails(&arguments, 4, &[&address]);
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_wrong_address_says_what_is_expected() {
    fails(&["ftp://example.com"], 2, &["http://HOST:PORT"]);
    fails(&["http://ada:secret@example.com"], 2, &["authorization"]);
    fails(&["localhost:1", "a.B/C", "-H", "nothing"], 2, &["'x-tag: a'"]);
    fails(&["localhost:1", "a.B/C", "-H", "x-bin: !"], 2, &["x-bin", "base64"]);
    fails(&["localhost:1", "a.B/C", "-H", "grpc-timeout: 1S"], 2, &["grpc-timeout"]);
    fails(&["localhost:1", "a.B/C", "--cert", "x.pem"], 2, &["--key"]);
    fails(&["localhost:1", "a.B/C", "--get"], 2, &["--protocol connect"]);
    fails(&["localhost:1", "a.B/C", "a.B"], 2, &["list"]);
    fails(&["https://localhost:1", "--cacert", "/nowhere.pem"], 2, &["/nowhere.pem"]);
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let grpc = Grpc::start();
    let address = grpc.address();
    let unary = format!("did you mean {ECHO}/Unary?");
    for name in [format!("{ECHO}/Unray"), format!("{ECHO}.unary"), "Echo/Unary".to_owned()] {
        fails(&[&address, &name], 2, &[&name, &unary]);
    }
    fails(&[&address, "shop.Books/Get"], 2, &["sockeye call ADDR list"]);
    fails(&[&address, "list", "sockeye.gateway.testing.Ecko"], 2, &[ECHO]);
    let message = "sockeye.gateway.testing.EchoMessage?";
    fails(&[&address, "describe", "EchoMesage"], 2, &[message]);
}

#[test]
fn a_wrong_request_names_the_field() {
    let grpc = Grpc::start();
    let (address, unary) = (grpc.address(), format!("{ECHO}/Unary"));
    for (data, phrases) in [
        ("{\"text\":5}", &["text: expected a string, found a number", "EchoMessage"][..]),
        ("{\"txet\":\"a\"}", &["txet: unknown field", "did you mean text?"]),
        ("{\"child\":{\"numbr\":1}}", &["child.numbr", "did you mean number?"]),
        ("{\"list\":[\"a\",5]}", &["list[1]: expected a string"]),
        ("{\"text\":", &["invalid JSON"]),
        ("{} {}", &["text after the value"]),
        ("", &["invalid JSON"]),
        ("@/nowhere.json", &["cannot read /nowhere.json"]),
    ] {
        fails(&[&address, &unary, "-d", data], 2, phrases);
    }
    let collect = format!("{ECHO}/Collect");
    fails(&[&address, &collect, "-d", "{} x"], 2, &["not a sequence of JSON values"]);
    fails(&[&address, &collect, "-d", "{} {\"x\":1}"], 2, &["request 2", "x: unknown field"]);
}

/// Refuses every call.
struct Nobody;

impl Authorizer for Nobody {
    fn authorize<'a>(&'a self, _head: &'a CallHead<'a>) -> AuthorizeFuture<'a> {
        Box::pin(async { Err(Status::new(Code::Unauthenticated, "a token is required")) })
    }
}

#[test]
fn reflection_that_needs_a_token_says_how_to_send_it() {
    let grpc = Grpc::start();
    let address = grpc.gateway_with(|builder| builder.authorizer(Nobody));
    let bearer = "authorization: Bearer TOKEN";
    fails(&[&address, "list"], 1, &["a token is required", "needs a token", bearer]);
    let refused = "does not accept the `authorization` of -H";
    fails(&[&address, "list", "-H", bearer], 1, &["a token is required", refused]);
}

#[test]
fn a_server_without_reflection_needs_a_file() {
    let options = Options { reflection: ReflectionVersion::None, ..Options::default() };
    let grpc = Grpc::start_with(options);
    let (address, unary) = (grpc.address(), format!("{ECHO}/Unary"));
    fails(&[&address, &unary], 1, &["no reflection;", "--descriptor-set"]);
    let below = format!("{address}/api");
    fails(&[&below, "list"], 1, &["no reflection, neither at its root nor below /api;"]);
    let file = descriptors("file");
    let set = file.to_str().unwrap();
    let flags = ["--output", "ndjson", "--descriptor-set", set];
    let mut arguments = vec![address.as_str(), &unary, "-d", "{\"text\":\"a\"}"];
    arguments.extend(flags);
    let called = outcome(&arguments);
    assert_eq!((called.code, &*called.out), (0, "{\"text\":\"a\"}\n"), "{}", called.errors);
    fails(&[&address, &unary, "--descriptor-set", "/nowhere.bin"], 2, &["/nowhere.bin"]);
    std::fs::write(&file, "no descriptors").unwrap();
    fails(&[&address, &unary, "--descriptor-set", set], 2, &[set, "FileDescriptorSet"]);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn the_older_reflection_is_enough() {
    let options = Options { reflection: ReflectionVersion::V1Alpha, ..Options::default() };
    let grpc = Grpc::start_with(options);
    let listed = outcome(&[&grpc.address(), "list"]);
    assert!(listed.out.lines().any(|line| line == ECHO), "{} {}", listed.out, listed.errors);
}

#[test]
fn tls_is_checked_unless_the_user_wants_otherwise() {
    let grpc = Grpc::start();
    let plain = format!("https://{}", grpc.address());
    fails(&[&plain], 5, &["TLS handshake with 127.0.0.1 failed", "try http://"]);

    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let url = format!("https://{}", grpc.tls_proxy(grpc.server.address(), config));
    fails(&[&url], 5, &["UnknownIssuer", "--cacert"]);
    let file = std::env::temp_dir().join(format!("sockeye-call-{}.pem", std::process::id()));
    std::fs::write(&file, &cert).unwrap();
    let cacert = ["--cacert", file.to_str().unwrap()];
    for flags in [&cacert[..], &["-k"]] {
        let mut arguments = vec![url.as_str(), "list"];
        arguments.extend(flags);
        let listed = outcome(&arguments);
        assert_eq!(listed.code, 0, "{}", listed.errors);
        assert!(listed.out.lines().any(|line| line == ECHO), "{}", listed.out);
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_server_of_another_protocol_is_named() {
    let grpc = Grpc::start();
    let (address, unary) = (grpc.address(), format!("{ECHO}/Unary"));
    // The server of the tests speaks HTTP/2 only.
    for protocol in ["connect", "json", "grpc-web"] {
        let called = outcome(&[&address, &unary, "--protocol", protocol, "-d", "{\"text\":\"a\"}"]);
        assert!([6, 8].contains(&called.code), "{protocol}: {} {}", called.code, called.errors);
    }
    let gateway = grpc.gateway();
    let health = "grpc.health.v1.Health/Check";
    let called = outcome(&[&gateway, health, "--protocol", "connect", "--output", "ndjson"]);
    assert_eq!((called.code, &*called.out), (0, "{\"status\":\"SERVING\"}\n"), "{}", called.errors);
}

#[test]
fn a_server_that_begins_with_http2_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            // Empty settings.
            stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
            // Ends when the program closes, perhaps with a reset.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    let file = descriptors("http2");
    let (set, unary) = (file.to_str().unwrap(), format!("{ECHO}/Unary"));
    for protocol in ["connect", "json", "grpc-web"] {
        let flags = ["--descriptor-set", set, "--protocol", protocol, "-d", "{}"];
        let mut arguments = vec![address.as_str(), &unary];
        arguments.extend(flags);
        fails(&arguments, 6, &["does not speak HTTP/1.1", "--protocol grpc"]);
    }
    server.join().unwrap();
    std::fs::remove_file(file).unwrap();
}

#[test]
fn the_exit_code_remains_where_standard_error_is_closed() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = sockeye(&["call", &address]).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(4));
}

/// Writes the descriptors of the server into a file.
fn descriptors(name: &str) -> std::path::PathBuf {
    let file = format!("sockeye-call-{name}-{}.bin", std::process::id());
    let path = std::env::temp_dir().join(file);
    std::fs::write(&path, DESCRIPTORS).unwrap();
    path
}
