//! What a channel must do, over a WebSocket and over other byte streams. A browser does the same in `page.rs`.
#![cfg(not(target_family = "wasm"))]

mod server;

use std::time::Duration;

/// Longer than the longest scenario takes on a slow machine, so that one that hangs fails.
const PATIENCE: Duration = Duration::from_secs(300);

macro_rules! over_tcp {
    ($module:ident::$name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let channel = super::server::over_tcp().await;
            let scenario = sockeye_grpc_testing::scenarios::$module::$name(&channel);
            tokio::time::timeout(super::PATIENCE, scenario).await.expect("an end in time");
        }
    };
}

mod over_tcp {
    sockeye_grpc_testing::for_each_scenario!(over_tcp);
}

macro_rules! over_websocket {
    ($module:ident::$name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let channel = super::server::over_websocket().await;
            let scenario = sockeye_grpc_testing::scenarios::$module::$name(&channel);
            tokio::time::timeout(super::PATIENCE, scenario).await.expect("an end in time");
        }
    };
}

mod over_websocket {
    sockeye_grpc_testing::for_each_scenario!(over_websocket);
}
