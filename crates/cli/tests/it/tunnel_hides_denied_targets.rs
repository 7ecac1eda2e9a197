//! Answers of `sockeye tunnel serve` about targets that it denies do not tell whether they exist.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, ErrorKind};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use crate::program::tunnel::{Client, echo, exchange, failed_open, serve, socks};
use crate::program::{file, log_lines};

/// An address that answers nothing (RFC 5737): a connection to it waits, where there is a route.
const SILENT: &str = "192.0.2.1";

/// The reply code of SOCKS5 for a target that is denied.
const DENIED: u8 = 2;

/// Returns a port that was free a moment ago.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn assert_untouched(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    let error = listener.accept().expect_err("nothing has connected");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_scan_from_an_allowed_session_is_answered_before_anything_is_tried() {
    let (allowed, open) = (echo(), TcpListener::bind("127.0.0.1:0").unwrap());
    let open_port = open.local_addr().unwrap().port();
    let (allow, log) = (allowed.to_string(), file("tunnel-hides.log", ""));
    // A target that is tried and does not answer would be waited for, and the test would not end.
    let rules = ["--allow", &allow, "--connect-timeout", "1h", "--max-streams", "4"];
    let rules = [&rules[..], &["--access-log", log.to_str().unwrap()]].concat();
    let server = serve(&rules);
    let client = Client::start(&server.url, 2, &["-L", &format!("0:{allowed}"), "-D", "0"]);
    let proxy = &client.addresses[1];
    for round in 0..100 {
        let closed = closed_port();
        for (host, port) in [
            ("127.0.0.1", open_port),
            ("127.0.0.1", closed),
            (SILENT, 80),
            ("a-name-that-no-rule-has.invalid", open_port),
        ] {
            assert_eq!(socks(proxy, host, port).0, DENIED, "{host}:{port}");
        }
        // The streams of the scan leave their places, and the session stays.
        if round % 10 == 0 {
            assert_eq!(exchange(client.dial(0), "hello"), "hello");
            let (code, stream) = socks(proxy, "127.0.0.1", allowed.port());
            assert_eq!((code, &*exchange(stream, "hello")), (0, "hello"));
        }
    }
    assert_untouched(&open);
    // Those of the allowed target, ten through each of the two ports, are among them.
    let lines = log_lines(&log, 420);
    let denied: Vec<_> = lines.iter().filter(|line| line["outcome"] == "denied").collect();
    assert_eq!(denied.len(), 400);
    assert!(denied.iter().all(|line| line["address"].is_null()), "nothing was resolved");
}

#[test]
fn the_text_for_an_open_target_is_that_for_a_closed_one() {
    let (open, closed) = (TcpListener::bind("127.0.0.1:0").unwrap(), closed_port());
    let open_port = open.local_addr().unwrap().port();
    let path = |name: &str| {
        let name = format!("sockeye-hides-{name}-{}.sock", std::process::id());
        std::env::temp_dir().join(name).to_str().unwrap().to_owned()
    };
    let (there, nowhere) = (path("there"), path("nowhere"));
    let _listener = UnixListener::bind(&there).unwrap();
    let server = serve(&["--allow", "10.0.0.0/8:*", "--connect-timeout", "1h"]);
    let targets = [
        format!("127.0.0.1:{open_port}"),
        format!("127.0.0.1:{closed}"),
        format!("{SILENT}:80"),
        there.clone(),
        nowhere,
    ];
    let texts = targets.each_ref().map(|target| {
        let mut client = Client::start(&server.url, 1, &["-L", &format!("0:{target}")]);
        let error = std::io::Read::read(&mut client.dial(0), &mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{target}");
        let mut line = String::new();
        client.log.read_line(&mut line).unwrap();
        assert!(line.contains(&**target) && line.contains("--allow"), "{line}");
        // Without the time of the line.
        let (_, text) = line.split_once("WARN").unwrap();
        text.replace(&**target, "TARGET")
    });
    std::fs::remove_file(&there).unwrap();
    let generic = |text: &str| text.replace("127.0.0.1", "IP").replace(SILENT, "IP");
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[3], texts[4]);
    assert!(generic(&texts[2]).contains("no rule of the server allows it"), "{texts:?}");
    assert_untouched(&open);

    // Nor does an address to listen on tell whether another program has it.
    let answers = [open_port, closed].map(|port| {
        let forward = format!("127.0.0.1:{port}:a.test:80");
        let (code, text) = failed_open(&[&server.url, "-R", &forward]);
        (code, text.split_once("127.0.0.1").unwrap().1.replace(&port.to_string(), "PORT"))
    });
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].1.contains("--allow-bind"), "{answers:?}");
}
