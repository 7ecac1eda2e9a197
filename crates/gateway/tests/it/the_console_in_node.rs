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
