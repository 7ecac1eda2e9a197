//! The addresses of `-R` are free again when their client is gone, and for the same client at once.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};

use crate::program::file;
use crate::program::tunnel::{Client, dial, echo, exchange, failed_open, serve};

const OWN: &str = "a-token-of-the-listeners";
const OTHER: &str = "a-token-of-somebody-else";

/// Returns the flags with which a client sends a token.
fn token(token: &str) -> [String; 2] {
    let file = file(&format!("tunnel-listens-{token}.txt"), &format!("{token}\n"));
    ["--token-file".to_owned(), file.to_str().unwrap().to_owned()]
}

#[test]
fn a_program_that_was_killed_and_started_again_has_its_addresses_back() {
    let target = echo();
    let tokens = file("tunnel-listens.txt", &format!("{OWN}\n{OTHER}\n"));
    let tokens = ["-v", "--token-file", tokens.to_str().unwrap()];
    let path = std::env::temp_dir().join(format!("sockeye-listens-{}.sock", std::process::id()));
    let path = path.to_str().unwrap();
    let rules = ["--allow-bind", "127.0.0.1:*", "--allow-bind", &format!("unix:{path}")];
    let mut server = serve(&[&tokens[..], &rules].concat());
    let (own, other) = (token(OWN), token(OTHER));
    let with = |forwards: [&str; 2], [flag, file]: &[String; 2]| {
        ["-R", forwards[0], "-R", forwards[1], flag, file].map(str::to_owned)
    };
    let to_path = format!("{path}:{target}");
    let url = server.url.clone();
    let start = |flags: [String; 6]| {
        let flags = flags.each_ref().map(String::as_str);
        Client::start(&url, 2, &flags)
    };
    let first = start(with([&format!("127.0.0.1:0:{target}"), &to_path], &own));
    let address = first.addresses[0].clone();
    let forwards = [&format!("{address}:{target}")[..], &to_path];
    let refused = |owner: &[String; 2]| {
        let flags = with(forwards, owner);
        let flags = [&[url.as_str()][..], &flags.each_ref().map(String::as_str)].concat();
        let (code, text) = failed_open(&flags);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(&address) && text.contains("another program uses it"), "{text}");
    };
    // While the program runs, it keeps its addresses.
    refused(&own);
    server.wait_for("client disconnected");
    // Killed: the session waits for another WebSocket.
    drop(first);
    server.wait_for("client disconnected");
    refused(&other);
    let again = start(with(forwards, &own));
    assert_eq!(exchange(dial(&address), "hello"), "hello");
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "hello");

    // A program that ends by itself leaves its addresses to all.
    again.signal("TERM");
    again.wait();
    while !server.wait_for_line("session ended").contains("session=4") {}
    let last = start(with(forwards, &other));
    assert_eq!(exchange(dial(&address), "hello"), "hello");
    drop(last);
}

#[test]
fn the_socket_of_an_ended_program_is_replaced_and_that_of_another_one_stays() {
    let target = echo();
    let server = serve(&["--allow", &target.to_string()]);
    let path = std::env::temp_dir().join(format!("sockeye-stale-{}.sock", std::process::id()));
    let forward = format!("{}:{target}", path.display());
    // The file of a listener stays when the listener is dropped.
    drop(UnixListener::bind(&path).unwrap());
    let client = Client::start(&server.url, 1, &["-L", &forward]);
    UnixStream::connect(&path).unwrap();
    let (code, text) = failed_open(&[&server.url, "-L", &forward]);
    assert_eq!(code, 1, "{text}");
    std::fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    client.signal("TERM");
    client.wait();
    UnixStream::connect(&path).unwrap();
    std::fs::remove_file(&path).unwrap();

    std::fs::write(&path, "a file").unwrap();
    let (code, text) = failed_open(&[&server.url, "-L", &forward]);
    assert!(code == 1 && text.contains("another file"), "{text}");
    std::fs::remove_file(&path).unwrap();
}
