//! The scenarios of a channel, over a WebSocket and over other byte streams. `page.rs` runs them in
//! a browser.

use std::time::Duration;

/// Timeout of a scenario: longer than the longest takes on a slow machine, so that one that hangs
/// fails.
const SCENARIO_TIMEOUT: Duration = Duration::from_secs(300);

/// Defines a test of a scenario on a channel of this kind. Below is a macro for each kind, as
/// `for_each_scenario` requires.
macro_rules! scenario {
    ($kind:ident, $module:ident::$name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let channel = crate::server::$kind().await;
            let scenario = sockeye_grpc_testing::scenarios::$module::$name(&channel);
            tokio::time::timeout(super::SCENARIO_TIMEOUT, scenario).await.expect("an end in time");
        }
    };
}

macro_rules! over_tcp {
    ($module:ident::$name:ident) => {
        scenario!(over_tcp, $module::$name);
    };
}

mod over_tcp {
    sockeye_grpc_testing::for_each_scenario!(over_tcp);
}

macro_rules! over_websocket {
    ($module:ident::$name:ident) => {
        scenario!(over_websocket, $module::$name);
    };
}

mod over_websocket {
    sockeye_grpc_testing::for_each_scenario!(over_websocket);
}

macro_rules! served_over_websocket {
    ($module:ident::$name:ident) => {
        scenario!(served_over_websocket, $module::$name);
    };
}

mod served_over_websocket {
    sockeye_grpc_testing::for_each_scenario!(served_over_websocket);
}

#[cfg(feature = "tls")]
macro_rules! over_tls_inside {
    ($module:ident::$name:ident) => {
        scenario!(over_tls_inside, $module::$name);
    };
}

// The other scenarios do not depend on the bytes below HTTP/2, and are slow in unoptimized builds.
#[cfg(feature = "tls")]
mod over_tls_inside {
    over_tls_inside!(calls::all_four_kinds_are_answered);
    over_tls_inside!(calls::each_message_of_a_stream_is_answered_before_the_next);
    over_tls_inside!(cancellation::a_burst_of_cancelled_calls_is_survived);
    over_tls_inside!(load::sixty_four_calls_run_at_once);
    over_tls_inside!(load::a_long_message_is_carried_both_ways);
    over_tls_inside!(load::an_unread_stream_makes_the_server_wait);
}
