use std::path::Path;
use std::process::{Command, Stdio};

use crate::protocol_v1::support::{SECRET, endpoint, hub, serve};

/// Runs `js/test/hub.test.js` against a server of this process.
#[tokio::test]
async fn against_a_server_whose_connections_drop() {
    let address = serve(endpoint(&hub()).build()).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("js/test");
    let mut node = Command::new("node");
    // Before version 22, Node has its WebSocket behind this option.
    node.args(["--experimental-websocket", "hub.test.js"])
        .current_dir(folder)
        .env("HUB_PORT", address.port().to_string())
        .env("HUB_SECRET", String::from_utf8_lossy(SECRET).into_owned())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || node.output()).await.unwrap();
    let output = output.expect("node is installed");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
