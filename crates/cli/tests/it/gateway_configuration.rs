//! The command line takes precedence over the environment, and the environment over the file. A
//! mistake is reported with its place.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use crate::program::{self, Server, file};

/// Returns the command with a file of this text.
fn with_config(name: &str, text: &str, flags: &[&str]) -> (Command, String) {
    let file = file(name, text).to_str().unwrap().to_owned();
    let mut command = program::sockeye(&["gateway", "--listen", "127.0.0.1:0", "--config", &file]);
    command.args(flags);
    (command, file)
}

/// Returns the error of a command that does not start.
fn error_output(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

/// Returns the status of a call with a message of 60 bytes.
fn status_of_long_message(command: Command) -> String {
    let server = Server::start_command(command);
    server.wait_for_status("/readyz", 200);
    let id = "a".repeat(50);
    let answer =
        server.post_json("/sockeye.library.v1.Library/GetBook", &format!("{{\"id\":\"{id}\"}}"));
    answer[9..12].to_owned()
}

#[test]
fn the_command_line_precedes_the_environment_and_that_the_file() {
    let text = "demo = true\nmax-message = 20\n";
    let command = || with_config("gateway-precedence.toml", text, &[]).0;
    assert_eq!(status_of_long_message(command()), "429");
    let mut by_environment = command();
    by_environment.env("SOCKEYE_MAX_MESSAGE", "1MiB");
    assert_eq!(status_of_long_message(by_environment), "404");
    let mut by_flag = command();
    by_flag.env("SOCKEYE_MAX_MESSAGE", "1MiB").args(["--max-message", "30"]);
    assert_eq!(status_of_long_message(by_flag), "429");
}

#[test]
fn all_settings_may_come_from_the_environment_and_empty_ones_count_as_none() {
    let mut command = program::sockeye(&["gateway"]);
    command.env("SOCKEYE_LISTEN", "127.0.0.1:0").env("SOCKEYE_DEMO", "true");
    command.env("SOCKEYE_METRICS", "false").env("SOCKEYE_TIMEOUT", "");
    command.env("SOCKEYE_ALLOW_ORIGIN", "https://a.example https://b.example");
    let server = Server::start_command(command);
    server.wait_for_status("/readyz", 200);
    assert!(server.get("/metrics").starts_with("HTTP/1.1 404 "));
    for (origin, status) in [("a", "200"), ("b", "200"), ("c", "403")] {
        let header = format!("origin: https://{origin}.example\r\n");
        let answer = server.get_with("/v1/books", &header);
        assert_eq!(&answer[9..12], status, "{origin}: {answer}");
    }
}

#[test]
fn flags_that_require_each_other_may_come_from_different_places() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cert = file("gateway-split.pem", &made.cert.pem());
    let key = file("gateway-split.key", &made.signing_key.serialize_pem());
    let text = format!("demo = true\ntls-key = {key:?}\n");
    let flags = ["--tls-cert", cert.to_str().unwrap()];
    let (command, _) = with_config("gateway-split.toml", &text, &flags);
    assert!(Server::start_command(command).url.starts_with("https://"));
}

#[test]
fn a_mistake_in_the_file_has_its_line_and_column() {
    for (index, (text, problem)) in [
        ("demo = true\nmax-messages = 1\n", "line 2, column 1: there is no key \"max-messages\"; did you mean max-message?"),
        ("demo = true\n  max-message = \"big\"\n", "line 2, column 3: max-message: invalid value 'big' for '--max-message <SIZE>': expected a number of bytes"),
        ("demo = 1\n", "line 1, column 1: demo: expected true or false"),
        ("timeout = [\"1s\", \"2s\"]\n", "line 1, column 1: timeout: expected one value"),
        ("[hosting]\nlisten = \"127.0.0.1:0\"\n", "there is no key \"hosting\": the settings of a command are not in a table"),
        ("client-header = \"x-real-ip\"\n", "possible values: x-forwarded-for, forwarded"),
        ("upstream = [\"a.B=ftp://host\"]\n", "http://, https:// or unix:"),
        ("config = \"other.toml\"\n", "there is no key \"config\""),
        ("port = 80\n", "there is no key \"port\""),
        ("demo = \n", "line 1, column "),
    ]
    .into_iter()
    .enumerate()
    {
        let (command, file) = with_config(&format!("gateway-mistake-{index}.toml"), text, &[]);
        let output = error_output(command);
        assert!(output.starts_with(&format!("sockeye: {file}: ")), "{output}");
        assert!(output.contains(problem), "{output}");
    }
    let output = program::error_output(&["gateway", "--config", "nowhere.toml"]);
    assert!(output.starts_with("sockeye: cannot read nowhere.toml: "), "{output}");
}

#[test]
fn a_mistake_in_the_environment_has_the_name_of_its_variable() {
    let mut command = program::sockeye(&["gateway", "--demo"]);
    command.env("SOCKEYE_RATE_LIMIT", "0");
    let output = error_output(command);
    assert!(
        output.starts_with("sockeye: SOCKEYE_RATE_LIMIT: rate-limit: invalid value"),
        "{output}"
    );
}

#[test]
fn the_page_of_all_settings_has_each_of_them() {
    let page = include_str!("../../../../docs/gateway-config.md");
    let help = String::from_utf8(program::run(&["gateway", "--help"]).stdout).unwrap();
    let flags = help.lines().filter_map(|line| {
        // Descriptions are indented further.
        let flag = line.strip_prefix("      --")?;
        flag.split(|c: char| !c.is_ascii_lowercase() && c != '-').next()
    });
    let missing: Vec<_> = flags
        .filter(|flag| !["config"].contains(flag))
        .filter(|flag| !page.contains(&format!("| `{flag}` |")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
