//! `sockeye tunnel open -D` is a SOCKS5 and HTTP proxy for foreign clients.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

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
