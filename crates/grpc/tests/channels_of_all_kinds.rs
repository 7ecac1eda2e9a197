//! What a channel must do, over a WebSocket and over other byte streams.

mod server;

use std::time::Duration;

use sockeye_grpc_testing::scenarios;
use tokio::time::timeout;

/// Longer than the longest scenario takes on a slow machine, so that one that hangs fails.
const PATIENCE: Duration = Duration::from_secs(300);

macro_rules! scenarios {
    ($($module:ident::$name:ident,)*) => {
        mod over_tcp { $(scenario!(over_tcp, $module::$name);)* }
        mod over_websocket { $(scenario!(over_websocket, $module::$name);)* }
    };
}

macro_rules! scenario {
    ($server:ident, $module:ident::$name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let channel = super::server::$server().await;
            let scenario = super::scenarios::$module::$name(&channel);
            super::timeout(super::PATIENCE, scenario).await.expect("an end in time");
        }
    };
}

scenarios! {
    calls::all_four_kinds_are_answered,
    calls::a_conversation_goes_back_and_forth,
    calls::metadata_travels_both_ways,
    calls::a_status_arrives_whole,
    deadlines::a_deadline_that_is_met_changes_nothing,
    deadlines::a_call_without_answer_ends_at_its_deadline,
    deadlines::a_deadline_of_zero_is_over_at_once,
    deadlines::a_stream_ends_at_its_deadline,
    deadlines::a_stream_of_requests_ends_at_its_deadline,
    cancellation::cancelled_server_streams_end,
    cancellation::cancelled_client_streams_end,
    cancellation::cancelled_conversations_end,
    cancellation::a_burst_of_cancelled_calls_is_survived,
    cancellation::calls_cancelled_all_at_once_end,
    load::sixty_four_calls_run_at_once,
    load::a_long_message_is_carried_both_ways,
    load::an_unread_stream_makes_the_server_wait,
}
