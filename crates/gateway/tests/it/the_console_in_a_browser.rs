use std::path::{Path, PathBuf};
use std::process::Command;

use sockeye_gateway::Gateway;
use sockeye_gateway_testing::Server;

use crate::support::{ServedGateway, upstream};

/// Names under which Chromium is installed.
const BROWSERS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Runs `browser/console.mjs`, which calls methods on the page. Screenshots are left in
/// `target/screenshots`. A missing part is reported; it is a failure if `SOCKEYE_REQUIRE_PEERS` is
/// set.
#[tokio::test(flavor = "multi_thread")]
async fn people_call_methods_on_the_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let modules = root.join("target/peers/node/node_modules");
    let (Some(browser), true) = (find(&BROWSERS), modules.join("playwright-core").is_dir()) else {
        let message = "not found: chromium or playwright-core; ci/peers.sh installs both";
        assert!(std::env::var_os("SOCKEYE_REQUIRE_PEERS").is_none(), "{message}");
        eprintln!("not tested: {message}");
        return;
    };
    let server = Server::start().await;
    let builder = Gateway::builder().upstream(upstream(&server.url()));
    let gateway = ServedGateway::start(builder.console(true).openapi(true).build()).await;
    let mut node = Command::new("node");
    node.arg(root.join("crates/gateway/tests/it/browser/console.mjs"))
        .env("GATEWAY", gateway.url())
        .env("BROWSER", browser)
        .env("MODULES", modules)
        .env("SCREENSHOTS", root.join("target/screenshots"));
    let output = tokio::task::spawn_blocking(move || node.output()).await.unwrap();
    let output = output.expect("node is installed");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
    println!("{report}");
}

/// Returns the first of these programs in the search path.
fn find(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<_> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let mut paths =
        names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    paths.find(|path| path.is_file())
}
