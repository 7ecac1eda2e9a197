//! The error for an invalid value gives an example of a valid one.

use crate::program;

fn error_output(flag: &str, value: &str) -> String {
    program::error_output(&["serve", "--listen", "127.0.0.1:0", flag, value])
}

#[test]
fn sizes_durations_and_numbers_show_an_example() {
    for (flag, value, example) in [
        ("--max-message", "big", "64KiB"),
        ("--max-message", "0", "at least 1"),
        ("--memory-budget", "0", "at least 1"),
        ("--idle-timeout", "10", "10s"),
        ("--shutdown-timeout", "0s", "500ms"),
        ("--handshake-timeout", "soon", "5m"),
        ("--max-connections", "0", "at least 1"),
        ("--max-connections", "many", "at least 1"),
        ("--allow-origin", "https://a.*.com", "https://*.example.com"),
        ("--allow-host", "https://example.com", "*.example.com"),
        ("--trust-proxy", "10.0.0.0/33", "10.0.0.0/8"),
    ] {
        let error_output = error_output(flag, value);
        assert!(error_output.contains(flag), "{error_output}");
        assert!(error_output.contains(example), "{error_output}");
    }
}

#[test]
fn a_bad_value_exits_with_2() {
    for (flag, value) in
        [("--max-message", "big"), ("--allow-origin", "https://a.*.com"), ("--allow-host", "a/b")]
    {
        let output = program::run(&["serve", "--listen", "127.0.0.1:0", flag, value]);
        assert_eq!(output.status.code(), Some(2), "{flag} {value}");
    }
}

#[test]
fn an_address_needs_a_port() {
    let error_output = program::error_output(&["serve", "--listen", "8080"]);
    assert!(error_output.contains("127.0.0.1:8080"), "{error_output}");
}

#[test]
fn the_flag_for_a_port_is_named() {
    for (flag, port) in [("--port", "9000"), ("-p", "9000"), ("--port", "many")] {
        let output = program::run(&["serve", flag, port]);
        assert_eq!(output.status.code(), Some(2), "{flag}");
        let error_output = program::error_output(&["serve", flag, port]);
        let hint = if port == "many" { "8080" } else { port };
        assert!(error_output.contains(&format!("--listen 127.0.0.1:{hint}")), "{error_output}");
    }
    let help = String::from_utf8(program::run(&["serve", "--help"]).stdout).unwrap();
    assert!(!help.contains("--port"), "{help}");
}

#[test]
fn a_certificate_needs_its_key() {
    assert!(error_output("--tls-cert", "cert.pem").contains("--tls-key"));
    assert!(error_output("--tls-key", "key.pem").contains("--tls-cert"));
}
