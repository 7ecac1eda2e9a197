//! `sockeye tunnel serve` connects to what is allowed, for clients that are admitted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, ErrorKind, Read as _, Write as _};
use std::net::TcpListener;

use serde_json::Value;

use crate::program::tunnel::{Client, echo, exchange, failed_open, open, serve, socks, target};
use crate::program::{error_output, file, log_lines};

const TOKEN: &str = "a-token-of-the-tests";

/// Returns the file with the token.
fn token_file(name: &str) -> String {
    file(name, &format!("# tests\n{TOKEN}\n")).to_str().unwrap().to_owned()
}

#[test]
fn an_admitted_client_opens_only_allowed_targets_on_each_stream() {
    let (allowed, denied) = (echo(), echo());
    let server = serve(&["--allow", &allowed.to_string()]);
    let forwards = ["-L", &format!("0:{allowed}"), "-L", &format!("0:{denied}")];
    let mut client = Client::start(&server.url, 2, &forwards);
    assert_eq!(exchange(client.dial(0), "hello"), "hello");
    let error = client.dial(1).read(&mut [0]).expect_err("the connection is reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let mut line = String::new();
    client.log.read_line(&mut line).unwrap();
    assert!(line.contains("--allow") && line.contains(&denied.to_string()), "{line}");
    // The refusal ends the stream, not the session.
    assert_eq!(exchange(client.dial(0), "again"), "again");
}

#[test]
fn a_scan_of_ports_and_of_spellings_finds_nothing() {
    // Ports of this machine that are open, and a rule for other targets.
    let open_ports: Vec<_> = (0..20).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let log = file("tunnel-scan.log", "");
    let rules = ["--allow", "*:*", "--allow", "127.0.0.1:1", "--access-log", log.to_str().unwrap()];
    let mut server = serve(&rules);
    let client = Client::start(&server.url, 1, &["-D", "0"]);
    for listener in &open_ports {
        let port = listener.local_addr().unwrap().port();
        assert_eq!(socks(&client.addresses[0], "127.0.0.1", port).0, 2, "port {port}");
    }
    let port = open_ports[0].local_addr().unwrap().port();
    for host in [
        "localhost",
        "LOCALHOST.",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0",
        "0.0.0.0",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "169.254.169.254",
        "fd00:ec2::254",
    ] {
        let code = socks(&client.addresses[0], host, port).0;
        // The system may not know the spelling as an address.
        assert!([2, 4].contains(&code), "{host}: {code}");
    }
    for listener in &open_ports {
        listener.set_nonblocking(true).unwrap();
        let error = listener.accept().expect_err("nothing has connected");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
    server.wait_for("denied");
    // The rule for one port stands: nothing listens there.
    assert_eq!(socks(&client.addresses[0], "127.0.0.1", 1).0, 5);
    let lines = std::fs::read_to_string(&log).unwrap();
    assert!(lines.lines().filter(|line| line.contains("\"denied\"")).count() >= 20, "{lines}");
}

#[test]
fn a_name_that_resolves_to_this_machine_is_denied() {
    let target = echo();
    // The rule is about the name, whoever decides where the name leads.
    let server = serve(&["--allow", "*.localhost:*"]);
    let client = Client::start(&server.url, 1, &["-D", "0"]);
    let code = socks(&client.addresses[0], "evil.localhost", target.port()).0;
    // 4 where the system does not resolve names below localhost.
    assert!([2, 4].contains(&code), "{code}");
}

#[test]
fn the_server_listens_only_where_it_is_allowed_to() {
    let server = serve(&["--allow-bind", "127.0.0.1:1-1000", "--allow", "*"]);
    for listen in ["127.0.0.1:0", "0.0.0.0:999", "example.com:999", "/tmp/sockeye-denied.sock"] {
        let forward = format!("{listen}:a.test:80");
        let (code, text) = failed_open(&[&server.url, "-R", &forward]);
        assert_eq!(code, 1, "{listen}: {text}");
        assert!(text.contains("--allow-bind"), "{listen}: {text}");
    }
}

#[test]
fn a_token_is_required_where_there_are_tokens() {
    let target = echo();
    let tokens = token_file("tunnel-tokens.txt");
    let server = serve(&["--token-file", &tokens, "--allow", &target.to_string()]);
    let forward = format!("0:{target}");
    let wrong = file("tunnel-wrong-token.txt", "another-token-of-tests\n");
    for arguments in [&[][..], &["--token-file", wrong.to_str().unwrap()]] {
        let arguments = [&[server.url.as_str(), "-L", &forward], arguments].concat();
        let (code, text) = failed_open(&arguments);
        assert_eq!(code, 6, "{text}");
        assert!(text.contains("401") && text.contains("--token-file"), "{text}");
        assert!(!text.contains("another-token"), "{text}");
    }
    let client = Client::start(&server.url, 1, &["-L", &forward, "--token-file", &tokens]);
    assert_eq!(exchange(client.dial(0), "hello"), "hello");
    let output = open(&[&server.url, "-W", &target.to_string()])
        .env("SOCKEYE_TOKEN", TOKEN)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn other_machines_are_served_only_with_a_token_or_a_flag() {
    let text = error_output(&["tunnel", "serve", "--listen", "0.0.0.0:0"]);
    assert!(text.contains("--token-file") && text.contains("--no-auth"), "{text}");
    let short = file("tunnel-short-token.txt", "hunter2\n");
    let arguments = ["--listen", "127.0.0.1:0", "--token-file", short.to_str().unwrap()];
    let text = error_output(&[&["tunnel", "serve"], &arguments[..]].concat());
    assert!(text.contains("line 1") && !text.contains("hunter2"), "{text}");
}

#[test]
fn pages_foreign_hosts_and_proxies_are_refused() {
    let server = serve(&["--allow", "*"]);
    let handshake = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                     sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                     sec-websocket-protocol: sockeye.resume.v1\r\n";
    let status = |host: &str, headers: &str| {
        let mut stream = server.dial();
        let head = format!("GET /tunnel HTTP/1.1\r\nhost: {host}\r\n{handshake}{headers}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        String::from_utf8(status[9..].to_vec()).unwrap()
    };
    let host = &server.address;
    assert_eq!(status(host, ""), "101");
    // Even a page of the server's own origin has no business here.
    assert_eq!(status(host, &format!("origin: http://{host}\r\n")), "403");
    assert_eq!(status(host, "origin: https://evil.example\r\n"), "403");
    assert_eq!(status("evil.example", ""), "421");
    assert_eq!(status(host, "x-forwarded-for: 192.0.2.1\r\n"), "403");
}

#[test]
fn a_server_without_a_tunnel_is_explained() {
    let server = crate::program::Server::start(&[]);
    for path in ["echo", "nothing"] {
        let url = format!("{}{path}", server.url);
        let (code, text) = failed_open(&[&url, "-L", "0:a.test:80"]);
        assert_eq!(code, 6, "{path}: {text}");
        assert!(text.contains("/tunnel"), "{path}: {text}");
    }
    let (code, text) = failed_open(&[&server.url]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("-L"), "{text}");
}

#[test]
fn the_access_log_has_a_line_for_each_connection() {
    let target = echo();
    let log = file("tunnel-access.log", "");
    let server = serve(&["--allow", &target.to_string(), "--access-log", log.to_str().unwrap()]);
    let forwards = ["-L", &format!("0:{target}"), "-L", "0:other.test:80"];
    let client = Client::start(&server.url, 2, &forwards);
    assert_eq!(exchange(client.dial(0), "hello"), "hello");
    let _ = client.dial(1).read(&mut [0]);
    let lines = log_lines(&log, 2);
    let find = |outcome: &str| lines.iter().find(|line| line["outcome"] == outcome).unwrap();
    let line = find("ok");
    assert_eq!((&line["kind"], &line["identity"]), (&"tcp".into(), &"anyone".into()));
    assert_eq!((&line["request_bytes"], &line["response_bytes"]), (&5.into(), &5.into()));
    assert_eq!((&line["target"], &line["address"]), (&target.to_string().into(), &line["target"]));
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    let line = find("denied");
    assert_eq!(line["target"], "other.test:80");
    assert_eq!(line["address"], Value::Null);
}

#[test]
fn a_target_learns_the_address_of_the_client() {
    let target = target(|mut stream| {
        let mut header = [0; 28];
        stream.read_exact(&mut header).unwrap();
        stream.write_all(&header).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        stream.write_all(&rest).unwrap();
    });
    let server = serve(&["--allow", &target.to_string(), "--send-proxy"]);
    let client = Client::start(&server.url, 1, &["-L", &format!("0:{target}")]);
    let mut stream = client.dial(0);
    stream.write_all(b"data").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
    assert_eq!(answer[16..24], [127, 0, 0, 1, 127, 0, 0, 1]);
    assert_eq!(answer[26..28], target.port().to_be_bytes());
    assert_eq!(&answer[28..], b"data");
}
