//! The request reaches the process as CGI variables, and never as arguments.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::io::Read;
use std::net::TcpStream;

use sockeye::Client;

use crate::program;
use crate::program::Server;
use crate::program::exec::{script, start};

async fn environment(server: &Server, path: &str) -> HashMap<String, String> {
    let mut ws = Client::new(format!("ws://{}{path}", server.address))
        .header("proxy", "http://evil.example:1")
        .header("authorization", "Bearer of bad news")
        .header("x-custom", "value")
        .connect()
        .await
        .unwrap();
    let mut variables = HashMap::new();
    while let Some(message) = ws.recv().await.unwrap() {
        let line = message.as_text().unwrap().to_owned();
        if let Some((name, value)) = line.split_once('=') {
            variables.insert(name.to_owned(), value.to_owned());
        }
    }
    variables
}

#[tokio::test]
async fn headers_query_and_address_are_variables() {
    let server = start(&["--env", "GREETING=hello", "--cwd", "/"], &["env"]);
    let variables = environment(&server, "/a/b?x=1&y=2").await;
    let port = server.address.rsplit(':').next().unwrap();
    for (name, value) in [
        ("QUERY_STRING", "x=1&y=2"),
        ("PATH_INFO", "/a/b"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("SERVER_NAME", "127.0.0.1"),
        ("SERVER_PORT", port),
        ("REQUEST_METHOD", "GET"),
        ("HTTP_X_CUSTOM", "value"),
        ("GREETING", "hello"),
    ] {
        assert_eq!(variables.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(variables.get("HTTP_PROXY"), None, "httpoxy");
    assert_eq!(variables.get("HTTP_AUTHORIZATION"), None);
}

#[tokio::test]
async fn headers_set_no_variables_but_their_own() {
    let mark = format!("{}/exec-shellshock", env!("CARGO_TARGET_TMPDIR"));
    let _ = std::fs::remove_file(&mark);
    // The shell reads functions, its start file and its options from variables.
    let server = start(&[], &["bash", "-c", "env; echo END=1"]);
    let mut ws = Client::new(format!("ws://{}/", server.address))
        .header("x-function", format!("() {{ :; }}; touch {mark}"))
        .header("bash-func-env%%", format!("() {{ touch {mark}; }}"))
        .header("ld-preload", "/no/such.so")
        .header("bash-env", &mark)
        .header("x_custom", "of the underscore")
        .header("path", "/nowhere")
        .connect()
        .await
        .unwrap();
    let mut names = Vec::new();
    loop {
        let line = ws.recv().await.unwrap().unwrap();
        let (name, _) = line.as_text().unwrap().split_once('=').unwrap_or_default();
        names.push(name.to_owned());
        if name == "END" {
            break;
        }
    }
    assert!(!std::path::Path::new(&mark).exists());
    assert!(names.contains(&"HTTP_LD_PRELOAD".to_owned()), "{names:?}");
    for name in ["LD_PRELOAD", "BASH_ENV", "HTTP_X_CUSTOM"] {
        assert!(!names.contains(&name.to_owned()), "{name}");
    }
}

/// Returns the next text message on a connection that was upgraded by hand.
fn message(stream: &mut TcpStream) -> String {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x81, "a text message");
    let mut length = usize::from(head[1]);
    if length == 126 {
        stream.read_exact(&mut head).unwrap();
        length = usize::from(u16::from_be_bytes(head));
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).unwrap();
    String::from_utf8(payload).unwrap()
}

#[test]
fn shell_metacharacters_in_the_url_are_inert() {
    let mark = format!("{}/exec-was-escaped", env!("CARGO_TARGET_TMPDIR"));
    let _ = std::fs::remove_file(&mark);
    let server = script(&[], r#"printf '%s\n' "$#" "$0" "$QUERY_STRING" "$PATH_INFO""#);
    // A client of another make leaves all of them as they are.
    for (path, query) in [
        (
            format!("/$(touch${{IFS}}{mark});touch"),
            format!("`touch+{mark}`|touch&$(touch${{IFS}}{mark})"),
        ),
        ("/--help".to_owned(), format!("--version+-c+touch+{mark};touch%20{mark}")),
    ] {
        let mut stream = server.dial();
        program::upgrade_at(&mut stream, &server.address, &format!("{path}?{query}"));
        assert_eq!(message(&mut stream), "0", "no arguments");
        assert_eq!(message(&mut stream), "sh");
        assert_eq!(message(&mut stream), query);
        assert_eq!(message(&mut stream), path);
    }
    assert!(!std::path::Path::new(&mark).exists());
}
