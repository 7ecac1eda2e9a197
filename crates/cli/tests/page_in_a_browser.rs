//! The page as a person uses it, in Chromium: `browser/page.mjs` types, reads, sends a file, kills
//! the server and sees the page come back. Screenshots are left in `target/screenshots`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Names under which Chromium is installed.
const BROWSERS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

#[test]
fn the_page_works_in_a_browser() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let modules = root.join("target/peers/node/node_modules");
    let (Some(node), Some(browser)) = (find(&["node"]), find(&BROWSERS)) else {
        return missing("node (20 or newer) or chromium");
    };
    if !modules.join("playwright-core").is_dir() {
        return missing("playwright-core in target/peers/node");
    }
    let output = Command::new(node)
        .arg(root.join("crates/cli/tests/browser/page.mjs"))
        .env("SOCKEYE", env!("CARGO_BIN_EXE_sockeye"))
        .env("BROWSER", browser)
        .env("MODULES", modules)
        .env("SCREENSHOTS", root.join("target/screenshots"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    println!("{said}");
}

/// The first of these programs in the search path.
fn find(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<_> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

fn missing(what: &str) {
    let message = format!("not found: {what}; ci/peers.sh installs all that this test needs");
    assert!(std::env::var_os("SOCKEYE_REQUIRE_PEERS").is_none(), "{message}");
    eprintln!("not tested: {message}");
}
