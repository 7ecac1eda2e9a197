//! Completions and manual pages come from the definition of the command line.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use crate::program;

#[test]
fn each_shell_has_completions_of_every_flag() {
    for (shell, word) in
        [("bash", "--drain-delay"), ("zsh", "--drain-delay"), ("fish", "drain-delay")]
    {
        let output = program::run(&["completions", shell]);
        assert!(output.status.success());
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains(word) && script.contains("gateway"), "{shell}");
        assert_ne!(can_parse(shell, &script), Some(false), "{shell}");
    }
}

/// Returns whether the shell can parse a script; `None` without that shell.
fn can_parse(shell: &str, script: &str) -> Option<bool> {
    let file = program::file(&format!("completions.{shell}"), script);
    Some(Command::new(shell).arg("-n").arg(file).status().ok()?.success())
}

#[test]
fn the_program_and_each_command_have_a_manual_page() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    let output = program::run(&["man", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    for (name, text) in [
        ("sockeye.1", "sockeye"),
        ("sockeye-serve.1", "max\\-connections"),
        ("sockeye-config-check.1", "FILE"),
    ] {
        let page = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(page.contains(".TH") && page.contains(text), "{name}: {page}");
    }
    assert!(!folder.join("sockeye-man.1").exists(), "hidden commands have no page");
}
