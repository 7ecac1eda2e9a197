//! `sockeye serve` takes its settings from the command line, the environment and a file, and
//! `sockeye config check` finds the mistakes in the latter.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Output;

use crate::program::{self, Server, file};

/// Runs `sockeye config check` on a file of this text.
fn check(name: &str, text: &str, command: &[&str]) -> (Output, String) {
    let file = file(name, text).to_str().unwrap().to_owned();
    let output = program::run(&[&["config", "check", &file], command].concat());
    (output, file)
}

fn max_message(command: std::process::Command) -> String {
    let answer = Server::start_command(command).get("/server.json");
    let number = answer.split("\"maxMessage\":").nth(1).unwrap();
    number.split(',').next().unwrap().to_owned()
}

#[test]
fn the_command_line_precedes_the_environment_and_that_the_file() {
    let text = "listen = \"127.0.0.1:0\"\nmax-message = \"1KiB\"\nverbose = 1\n";
    let file = file("serve-precedence.toml", text);
    let command = || program::sockeye(&["serve", "--config", file.to_str().unwrap()]);
    assert_eq!(max_message(command()), "1024");
    let mut by_environment = command();
    by_environment.env("SOCKEYE_MAX_MESSAGE", "2KiB");
    assert_eq!(max_message(by_environment), "2048");
    let mut by_flag = command();
    by_flag.env("SOCKEYE_MAX_MESSAGE", "2KiB").args(["--max-message", "3KiB"]);
    assert_eq!(max_message(by_flag), "3072");
}

#[test]
fn the_level_of_the_log_is_a_setting() {
    let file = file("serve-verbose.toml", "listen = \"127.0.0.1:0\"\nverbose = 1\n");
    let command = program::sockeye(&["serve", "--config", file.to_str().unwrap()]);
    let mut server = Server::start_command(command);
    server.get("/healthz");
    server.wait_for("accepted");
}

#[test]
fn a_checked_file_is_printed_with_the_place_of_each_setting() {
    let text = "listen = \"127.0.0.1:0\"\nbus = \"redis://user:secret@127.0.0.1\"\n\
                allow-origin = [\"https://a.example\"]\nmetrics = true\n";
    let (output, file) = check("serve-checked.toml", text, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    for line in [
        &format!("listen = \"127.0.0.1:0\"  # {file}: line 1, column 1\n"),
        &format!("allow-origin = [\"https://a.example\"]  # {file}: line 3, column 1\n"),
        &format!("metrics = true  # {file}: line 4, column 1\n"),
        &format!("bus = \"<hidden>\"  # {file}: line 2, column 1\n"),
        "max-connections = 10000  # default\n",
        "self-signed = false  # default\n",
        "log = \"text\"  # default\n",
    ] {
        assert!(shown.contains(line), "no {line:?} in {shown}");
    }
    assert!(!shown.contains("secret"), "{shown}");
    // The settings that are printed are a file of settings, apart from the password.
    let again = shown.replace("\"<hidden>\"", "\"redis://127.0.0.1\"");
    let (output, _) = check("serve-checked-again.toml", &again, &["serve"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn every_mistake_is_printed_with_its_line_and_column() {
    let text = "lisen = \"127.0.0.1:0\"\nmax_message = 1\n  idle-timeout = \"soon\"\n\
                upstream = \"http://a\"\nverbose = 11\nfrobnicate = 1\n[serve]\nmetrics = true\n";
    let (output, file) = check("serve-mistakes.toml", text, &[]);
    assert_eq!(output.status.code(), Some(2));
    let shown = String::from_utf8(output.stderr).unwrap();
    for problem in [
        "line 1, column 1: there is no key \"lisen\"; did you mean listen?",
        "line 2, column 1: there is no key \"max_message\"; did you mean max-message?",
        "line 3, column 3: idle-timeout: invalid value 'soon'",
        "line 4, column 1: there is no key \"upstream\" for this command, only for gateway",
        "line 5, column 1: verbose: expected a number from 0 to 10",
        "line 6, column 1: there is no key \"frobnicate\"; the keys are access-log, ",
        "line 7, column 2: there is no key \"serve\": the settings of a command are not in a table",
    ] {
        assert!(shown.contains(&format!("{file}: {problem}")), "no {problem:?} in {shown}");
    }
}

#[test]
fn files_that_settings_name_are_checked_too() {
    for (name, text, command, problem) in [
        (
            "cert",
            "tls-cert = \"nowhere.pem\"\ntls-key = \"nowhere.key\"\n",
            "serve",
            "cannot read nowhere.pem",
        ),
        (
            "key",
            "\ntls-cert = \"nowhere.pem\"\n",
            "gateway",
            "line 2, column 1: tls-cert needs --tls-key <FILE>",
        ),
        ("secret", "hub-secret-file = \"nowhere.txt\"\n", "serve", "cannot read nowhere.txt"),
        (
            "rules",
            "upstream = \"http://127.0.0.1:1\"\nrules = \"nowhere.toml\"\n",
            "gateway",
            "cannot read nowhere.toml",
        ),
        ("open", "listen = \"0.0.0.0:80\"\ndemo = true\n", "gateway", "--no-auth"),
        ("bus", "listen = \"0.0.0.0:80\"\nbus = \"nats://h\"\n", "serve", "--bus needs the hub"),
        ("log", "access-log = \"nowhere/access.log\"\n", "serve", "cannot write the access log"),
        ("exec", "tls-cert = \"nowhere\"\ntls-key = \"nowhere\"\n", "exec", "cannot read nowhere"),
        ("token", "token-file = \"nowhere.txt\"\n", "exec", "nowhere.txt"),
        ("toml", "a = \n", "serve", "line 1, column "),
    ] {
        let (output, file) = check(&format!("serve-files-{name}.toml"), text, &[command]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let shown = String::from_utf8(output.stderr).unwrap();
        assert!(shown.starts_with(&format!("sockeye: {file}: ")), "{shown}");
        assert!(shown.contains(problem), "{shown}");
    }
}

#[test]
fn a_setting_that_needs_another_is_named() {
    let mut command = program::sockeye(&["serve"]);
    let output = command.env("SOCKEYE_PROXY_PROTOCOL", "true").output().unwrap();
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "sockeye: SOCKEYE_PROXY_PROTOCOL: proxy-protocol needs --trust-proxy <NETWORK>\n"
    );
}

#[test]
fn a_command_without_settings_has_no_file() {
    let (output, _) = check("serve-nothing.toml", "", &["bench"]);
    assert_eq!(output.status.code(), Some(2));
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(shown.contains("there are no settings of a command bench"), "{shown}");
    assert!(shown.contains("gateway") && shown.contains("serve"), "{shown}");
}
