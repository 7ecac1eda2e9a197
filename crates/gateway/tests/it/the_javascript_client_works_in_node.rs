use std::path::Path;
use std::process::{Command, Stdio};

use crate::sockets::serve;
use crate::support::wait_for;

/// Runs `js/test/grpc.test.js` against a gateway of this process.
#[tokio::test]
async fn against_a_gateway_before_the_echo_service() {
    let (server, gateway) = serve(|builder| builder).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("js/test");
    let mut node = Command::new("node");
    // Before version 22, Node has its WebSocket behind this option.
    node.args(["--experimental-websocket", "grpc.test.js"])
        .current_dir(folder)
        .env("GATEWAY_URL", gateway.url())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || node.output()).await.unwrap();
    let output = output.expect("node is installed");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    wait_for(server.echo.in_progress(), 0).await;
}
