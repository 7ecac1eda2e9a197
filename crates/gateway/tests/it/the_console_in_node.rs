use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs the tests of the modules of the page that need no browser.
#[test]
fn its_modules_pass_their_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("console/test");
    let tests =
        ["commands", "complete", "messages", "rest", "state"].map(|name| format!("{name}.test.js"));
    let output = Command::new("node").arg("--test").args(tests).current_dir(folder).output();
    let output = output.expect("node is installed");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
    println!("{report}");
}

/// The pages of two crates cannot share a file, since each crate is published with its own.
#[test]
fn its_colours_and_fonts_are_those_of_the_pages_of_the_program() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // A published crate comes without the other one.
    let Ok(program) = fs::read_to_string(crates.join("cli/page/style.css")) else { return };
    let console = fs::read_to_string(crates.join("gateway/console/page.css")).unwrap();
    let tokens = |css: &str| -> Vec<String> {
        css.lines().filter(|line| line.trim_start().starts_with("--")).map(str::to_owned).collect()
    };
    assert!(tokens(&program).len() > 30);
    assert_eq!(tokens(&console), tokens(&program));
}
