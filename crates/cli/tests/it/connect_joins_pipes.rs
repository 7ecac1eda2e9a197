//! `sockeye connect` joins a WebSocket to pipes, and loses nothing on the way.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::sync::mpsc;
use std::time::Duration;

use crate::program;
use crate::program::connect::{
    connect, ended_with, read_head, run_with, server, switching, websocket,
};

fn echo(server: &program::Server) -> String {
    format!("ws://{}/echo", server.address)
}

#[test]
fn lines_come_back_in_order_and_the_end_of_the_input_loses_no_answer() {
    let server = program::Server::start(&[]);
    let lines = (0..2000).fold(String::new(), |lines, number| lines + &format!("line {number}\n"));
    let output = run_with(lines.as_bytes(), &[&echo(&server)]);
    let (stdout, stderr) = ended_with(0, &output);
    assert_eq!((stdout, stderr.as_str()), (lines, ""));
}

#[test]
fn a_line_of_many_megabytes_is_one_message() {
    let server = program::Server::start(&["--max-message", "16MiB"]);
    for arguments in [&[][..], &["--compressed"], &["--fragment", "100KB"]] {
        let line = "salmon ".repeat(600_000) + "\n";
        let url = echo(&server);
        let arguments = [&[url.as_str(), "-n", "1"], arguments].concat();
        let (stdout, _) = ended_with(0, &run_with(line.as_bytes(), &arguments));
        assert!(stdout == line, "{} bytes came back", stdout.len());
    }
}

#[test]
fn each_form_of_messages_is_read_and_written() {
    let server = program::Server::start(&[]);
    let url = echo(&server);
    for (frame, input) in [
        ("line", &b"one\n\ntwo\n"[..]),
        ("nul", b"a\nb\0\0c\0"),
        ("len32", b"\0\0\0\x03one\0\0\0\0\0\0\0\x01\n"),
    ] {
        let output = run_with(input, &[&url, "--frame", frame]);
        ended_with(0, &output);
        assert_eq!(output.stdout, input, "{frame}");
    }
    let bytes: Vec<u8> = (0..=255).collect();
    let output = run_with(&bytes, &[&url, "--frame", "raw"]);
    ended_with(0, &output);
    assert_eq!(output.stdout, bytes);
    for (kind, input) in
        [(&["--binary"][..], b"\xff\n\0\r\n".repeat(50_000)), (&[], b"a\n\0".to_vec())]
    {
        let whole = [url.as_str(), "--frame", "whole", "-n", "1"];
        let output = run_with(&input, &[&whole, kind].concat());
        ended_with(0, &output);
        assert!(output.stdout == input, "{} bytes came back", output.stdout.len());
    }
    let output = run_with(b"\xff\xfe\n", &[&url, "--binary"]);
    ended_with(0, &output);
    assert_eq!(output.stdout, b"\xff\xfe\n");
}

#[test]
fn records_keep_the_kind_of_each_message_and_are_sent_again() {
    let server = program::Server::start(&[]);
    let url = echo(&server);
    let input = r#"{"type":"text","data":"a\nb"}
{"type":"binary","base64":"AP8="}
{"dir":"in","type":"text","data":"was received"}
"#;
    let file = std::env::temp_dir().join(format!("sockeye-record-{}.ndjson", std::process::id()));
    let path = file.to_str().unwrap();
    let arguments = [&url, "--frame", "ndjson", "--record", path];
    let (stdout, _) = ended_with(0, &run_with(input.as_bytes(), &arguments));
    assert!(stdout.contains(r#""dir":"in","type":"text","data":"a\nb"}"#), "{stdout}");
    assert!(stdout.contains(r#""dir":"in","type":"binary","base64":"AP8="}"#), "{stdout}");
    assert!(stdout.contains(r#""type":"close","close":{"code":1000,"#), "{stdout}");
    let replayed = run_with(b"", &[&url, "--replay", path, "--frame", "nul"]);
    ended_with(0, &replayed);
    assert_eq!(replayed.stdout, b"a\nb\0\0\xff\0");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn an_answer_after_the_end_of_the_input_is_waited_for() {
    let url = websocket(|wire| {
        wire.recv().unwrap();
        // Three answers, each later than the silence of the test would allow after the first.
        for answer in ["1", "2", "3"] {
            std::thread::sleep(Duration::from_millis(400));
            wire.text(answer);
        }
        assert_eq!(wire.answer_close(), 1000);
    });
    let (stdout, _) = ended_with(0, &run_with(b"question\n", &[&url]));
    assert_eq!(stdout, "1\n2\n3\n");
}

#[test]
fn a_fragment_is_a_frame_of_its_size() {
    let (frames, received) = mpsc::channel();
    let url = websocket(move |wire| {
        for _ in 0..3 {
            frames.send(wire.recv().unwrap()).unwrap();
        }
        wire.answer_close();
    });
    let arguments = [&url, "-d", "abcdefg", "--fragment", "3", "--on-eof", "close"];
    ended_with(0, &run_with(b"", &arguments));
    let frames: Vec<_> = received.iter().collect();
    let expected = [(0x01, b"abc".to_vec()), (0x00, b"def".to_vec()), (0x80, b"g".to_vec())];
    assert_eq!(frames, expected);
}

#[test]
fn a_reader_that_goes_away_ends_the_program() {
    let url = websocket(|wire| {
        while wire.recv().is_some_and(|(first, _)| first != 0x88) {}
        wire.close(1000);
    });
    let status = std::process::Command::new("sh")
        .args(["-c", "yes | \"$0\" \"$@\" | head -n 0", env!("CARGO_BIN_EXE_sockeye")])
        .args(["connect", &url, "--timeout", "3s"])
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
#[cfg(unix)]
fn a_reader_that_goes_away_ends_the_program_though_the_server_sends_nothing() {
    let (events, event) = mpsc::channel();
    let url = websocket(move |wire| {
        wire.recv();
        events.send(0).unwrap();
        events.send(wire.answer_close()).unwrap();
    });
    let mut child = connect(&[&url, "-d", "hi", "--on-eof", "stay"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    event.recv().unwrap();
    drop(child.stdout.take());
    let (_, stderr) = ended_with(1, &child.wait_with_output().unwrap());
    assert!(stderr.contains("cannot write the output: broken pipe"), "{stderr}");
    assert_eq!(event.recv().unwrap(), 1001);
}

#[test]
fn the_request_has_what_the_flags_say_and_takes_a_command_of_a_browser() {
    let (heads, received) = mpsc::channel();
    let url = server(
        move |head| {
            heads.send(head.to_owned()).unwrap();
            switching(head)
        },
        |wire| {
            wire.answer_close();
        },
    );
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
    let url = format!("http://ada:secret@staging.test:{port}/path?token=1");
    let resolve = format!("staging.test:{port}:127.0.0.1");
    let output = connect(&[&url, "--resolve", &resolve, "--on-eof", "close", "-A", "fish"])
        .args(["-H", "Origin: https://staging.test", "-H", "Sec-WebSocket-Key: abc"])
        .args(["-H", "Sec-WebSocket-Version: 13", "-H", "Upgrade: websocket", "-b", "id=7"])
        .args(["-H", "Connection: Upgrade"])
        .args(["-H", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"])
        .args(["-w", "%{http_code} %{close_code}\\n"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let (stdout, stderr) = ended_with(0, &output);
    assert_eq!((stdout.as_str(), stderr.as_str()), ("101 1000\n", ""));
    let head = received.recv().unwrap().to_ascii_lowercase();
    for line in [
        "get /path?token=1 http/1.1",
        &format!("host: staging.test:{port}"),
        "authorization: basic ywrhonnly3jlda==",
        "origin: https://staging.test",
        "user-agent: fish",
        "cookie: id=7",
    ] {
        assert!(head.lines().any(|other| other == line), "{line} is not in {head}");
    }
    assert!(head.contains("sec-websocket-extensions: permessage-deflate"), "{head}");
    assert_eq!(head.matches("sec-websocket-key").count(), 1);
}

#[cfg(unix)]
#[test]
fn http2_tls_and_unix_sockets_carry_a_connection() {
    let server = program::Server::start(&["--self-signed"]);
    let url = server.url.replacen("https", "wss", 1) + "echo";
    for arguments in [&["-k"][..], &["-k", "--http2"]] {
        let arguments = [&[url.as_str(), "-d", "hi", "-n", "1"], arguments].concat();
        let (stdout, _) = ended_with(0, &run_with(b"", &arguments));
        assert_eq!(stdout, "hi\n");
    }
    let path = std::env::temp_dir().join(format!("sockeye-unix-{}.socket", std::process::id()));
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let socket = path.to_str().unwrap();
    let accepted = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let answer = switching(&read_head(&mut stream));
        stream.write_all(answer.as_bytes()).unwrap();
        stream.write_all(b"\x88\x02\x03\xe8").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    ended_with(0, &run_with(b"", &["ws://localhost/", "--unix-socket", socket]));
    accepted.join().unwrap();
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_proxy_header_names_the_client_before_the_request() {
    for (arguments, source) in
        [(&[][..], "127.0.0.1"), (&["--haproxy-clientip", "192.0.2.7"], "192.0.2.7")]
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, peer) = listener.accept().unwrap();
            let head = read_head(&mut stream);
            let (line, head) = head.split_once("\r\n").unwrap();
            stream.write_all(switching(head).as_bytes()).unwrap();
            stream.write_all(b"\x88\x02\x03\xe8").unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
            (line.to_owned(), peer.port())
        });
        let url = format!("ws://{address}/");
        ended_with(0, &run_with(b"", &[&[url.as_str(), "--haproxy-protocol"], arguments].concat()));
        let (line, port) = server.join().unwrap();
        let port = if arguments.is_empty() { port } else { 0 };
        let expected = format!("PROXY TCP4 {source} 127.0.0.1 {port} {}", address.port());
        assert_eq!(line, expected);
    }
}

#[test]
fn stages_have_their_times_in_order() {
    let server = program::Server::start(&["--self-signed"]);
    let url = server.url.replacen("https", "wss", 1).replace("127.0.0.1", "localhost") + "echo";
    let format = "%{time_namelookup} %{time_connect} %{time_appconnect} %{time_handshake} \
        %{time_first_message} %{time_total} %{remote_ip} %{exitcode}";
    let arguments = ["-k", "-d", "hi", "-n", "1", "--frame", "nul", "-w", format, url.as_str()];
    let (stdout, _) = ended_with(0, &run_with(b"", &arguments));
    let values: Vec<_> = stdout.trim_start_matches("hi\0").split_whitespace().collect();
    let times: Vec<f64> = values[..6].iter().map(|time| time.parse().unwrap()).collect();
    assert!(times[0] > 0.0 && times.is_sorted(), "{stdout}");
    assert_eq!(values[6..], ["127.0.0.1", "0"]);
}
