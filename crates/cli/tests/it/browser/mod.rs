//! Scripts of this folder that drive browsers, run by node.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Names under which Chromium is installed.
pub(crate) const CHROMIUM: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Names under which Firefox is installed.
#[allow(dead_code, reason = "not every test drives it")]
pub(crate) const FIREFOX: [&str; 2] = ["firefox-esr", "firefox"];

const PEERS: &str = "ci/peers.sh installs all that this test needs";

/// Returns the folder in which `demo/build.sh` puts the client of the demo.
pub(crate) fn demo() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("demo")
}

/// Runs a script with an environment that names the program, a browser with one of these names, the
/// modules of node, the demo's client and a scratch folder. Reports a missing part; it is a failure
/// if `SOCKEYE_REQUIRE_PEERS` is set.
pub(crate) fn run_script(script: &str, browsers: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let modules = root.join("target/peers/node/node_modules");
    let (Some(node), Some(browser)) = (find(&["node"]), find(browsers)) else {
        return missing(&format!("node (20 or newer) or {}", browsers[0]), PEERS);
    };
    if !modules.join("playwright-core").is_dir() {
        return missing("playwright-core in target/peers/node", PEERS);
    }
    let output = Command::new(node)
        .arg(root.join("crates/cli/tests/it/browser").join(script))
        .env("SOCKEYE", env!("CARGO_BIN_EXE_sockeye"))
        .env("BROWSER", browser)
        .env("MODULES", modules)
        .env("SCREENSHOTS", root.join("target/screenshots"))
        .env("SCRATCH", env!("CARGO_TARGET_TMPDIR"))
        .env("DEMO", demo())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    println!("{stdout}");
}

/// Returns the first of these programs in the search path.
fn find(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<_> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

/// Reports a missing part, and how to install it.
pub(crate) fn missing(what: &str, solution: &str) {
    let message = format!("not found: {what}; {solution}");
    assert!(std::env::var_os("SOCKEYE_REQUIRE_PEERS").is_none(), "{message}");
    eprintln!("not tested: {message}");
}
