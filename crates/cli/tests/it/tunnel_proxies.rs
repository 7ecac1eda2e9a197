//! `sockeye tunnel open -D` is a SOCKS5 and HTTP proxy for foreign clients.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::process::{Command, Output};
use std::time::Duration;

use crate::program::file;
use crate::program::tunnel::{Client, failed_open, serve, web};

fn curl(arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "60"]).args(arguments);
    for variable in ["no_proxy", "NO_PROXY"] {
        command.env_remove(variable);
    }
    command.output().expect("curl is installed")
}

#[test]
fn curl_connects_by_socks5_and_by_http_connect() {
    let web = web();
    let server = serve(&["--allow", &format!("localhost:{}", web.port())]);
    let client = Client::start(&server.url, 1, &["-D", "0"]);
    let url = format!("http://localhost:{}/", web.port());
    // The server resolves the name, which only its rule names.
    for proxy in ["socks5h://", "http://"] {
        let proxy = format!("{proxy}{}", client.addresses[0]);
        let output = curl(&["--proxytunnel", "-x", &proxy, &url]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.stdout, b"hello\n", "{proxy}: {stderr}");
    }
}

#[test]
fn curl_learns_why_a_target_is_not_reached() {
    let web = web();
    let server = serve(&["--allow", "localhost:1"]);
    let client = Client::start(&server.url, 1, &["-D", "0"]);
    for (target, http, socks) in
        [(format!("http://{web}/"), "403", "(2)"), ("http://localhost:1/".to_owned(), "502", "(5)")]
    {
        let address = &client.addresses[0];
        let output = curl(&["-p", "-x", &format!("http://{address}"), &target]);
        assert!(String::from_utf8_lossy(&output.stderr).contains(http), "{output:?}");
        let output = curl(&["-x", &format!("socks5h://{address}"), &target]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(socks), "{stderr}");
    }
    // Without CONNECT, the answer names the flag.
    let output = curl(&["-x", &format!("http://{}", client.addresses[0]), "http://a.test/"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("--proxytunnel"), "{output:?}");
}

#[test]
fn a_proxy_with_users_asks_for_a_password() {
    let web = web();
    let server = serve(&["--allow", &web.to_string()]);
    let users = file("tunnel-users.txt", "# one user\nada:s:ecret\n");
    let users = users.to_str().unwrap();
    let client = Client::start(&server.url, 1, &["-D", "0", "--proxy-user-file", users]);
    let url = format!("http://{web}/");
    for scheme in ["socks5h", "http"] {
        let proxy = format!("{scheme}://{}", client.addresses[0]);
        let output = curl(&["-p", "-x", &proxy, "-U", "ada:s:ecret", &url]);
        assert_eq!(output.stdout, b"hello\n", "{output:?}");
        for user in [&["-U", "ada:wrong"][..], &[]] {
            let output = curl(&[&["-p", "-x", &proxy, &url], user].concat());
            assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        }
    }
}

#[test]
fn a_proxy_for_other_machines_needs_a_password_or_a_flag() {
    let (code, text) = failed_open(&["ws://127.0.0.1:1/", "-D", "0.0.0.0:0"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("--proxy-user-file") && text.contains("--proxy-no-auth"), "{text}");
}

#[test]
fn datagrams_pass_by_udp_associate_to_allowed_targets() {
    let timeout = Some(Duration::from_secs(60));
    let target = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = target.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = target.recv_from(&mut buffer) {
            target.send_to(&buffer[..length], from).unwrap();
        }
    });
    let rules = ["localhost", "127.0.0.1"].map(|host| format!("{host}:{port}"));
    let server = serve(&["--allow", &rules[0], "--allow", &rules[1]]);
    let mut client = Client::start(&server.url, 1, &["-D", "0"]);
    let mut control = client.dial(0);
    control.write_all(&[5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
    let mut reply = [0; 12];
    control.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..10], [5, 0, 5, 0, 0, 1, 127, 0, 0, 1]);
    let relay = ("127.0.0.1", u16::from_be_bytes([reply[10], reply[11]]));

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(timeout).unwrap();
    let to = |host: &[u8], port: u16, data: &[u8]| {
        [&[0, 0, 0][..], host, &port.to_be_bytes(), data].concat()
    };
    let mut buffer = [0; 1500];
    for host in [&b"\x01\x7f\0\0\x01"[..], b"\x03\x09localhost"] {
        for data in [&b"one"[..], b"", &[7; 1200]] {
            let sent = to(host, port, data);
            socket.send_to(&sent, relay).unwrap();
            let length = socket.recv(&mut buffer).unwrap();
            assert!(buffer[..length] == sent, "an answer begins with the address of its target");
        }
    }
    // Another program cannot use the association.
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    other.send_to(&to(b"\x01\x7f\0\0\x01", port, b"stolen"), relay).unwrap();
    // Nor does the association lead elsewhere.
    socket.send_to(&to(b"\x01\x7f\0\0\x01", 1, b"denied"), relay).unwrap();
    client.wait_for("127.0.0.1:1");
    socket.send_to(&to(b"\x01\x7f\0\0\x01", port, b"last"), relay).unwrap();
    let length = socket.recv(&mut buffer).unwrap();
    assert!(buffer[..length].ends_with(b"last"));

    // The association ends with the connection, and its port is free then.
    drop(control);
    while UdpSocket::bind(relay).is_err() {
        std::thread::yield_now();
    }
}
