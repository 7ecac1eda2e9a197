//! Requirements on a channel, on every target. A scenario panics if the channel violates one.
#![allow(clippy::missing_panics_doc, reason = "to panic is how all of them fail")]

pub mod calls;
pub mod cancellation;
pub mod deadlines;
pub mod load;

use sockeye_grpc::Channel;

use crate::proto::greeter_client::GreeterClient;
use crate::proto::test_service_client::TestServiceClient;
use crate::proto::{Empty, HelloRequest, ReportReply};
use crate::service::MAX_MESSAGE_LENGTH;

/// Maximum number of reports requested from the server before its counts are taken as final: more
/// than needed by a server that is about to learn of 10,000 cancelled calls.
const MAX_REPORTS: u32 = 20_000;

fn greeter(channel: &Channel) -> GreeterClient<Channel> {
    GreeterClient::new(channel.clone())
}

fn test_service(channel: &Channel) -> TestServiceClient<Channel> {
    TestServiceClient::new(channel.clone())
        .max_decoding_message_size(MAX_MESSAGE_LENGTH)
        .max_encoding_message_size(MAX_MESSAGE_LENGTH)
}

fn hello(name: impl Into<String>) -> HelloRequest {
    HelloRequest { name: name.into() }
}

async fn counts(channel: &Channel) -> ReportReply {
    test_service(channel).report(Empty {}).await.expect("a report").into_inner()
}

/// Polls the server until no call is in progress there.
async fn assert_all_calls_end(channel: &Channel) {
    let mut in_progress = 0;
    for _ in 0..MAX_REPORTS {
        in_progress = counts(channel).await.in_progress;
        if in_progress == 0 {
            return;
        }
    }
    panic!("{in_progress} calls are still in progress at the server");
}

/// Asserts that the connection still carries a call.
async fn assert_alive(channel: &Channel) {
    let reply = greeter(channel).say_hello(hello("again")).await.expect("a reply").into_inner();
    assert_eq!(reply.message, "Hello again!");
}

/// Defines a test of each scenario, by a macro that gets its path within [`scenarios`](self).
#[macro_export]
macro_rules! for_each_scenario {
    ($test:ident) => {
        $test!(calls::all_four_kinds_are_answered);
        $test!(calls::each_message_of_a_stream_is_answered_before_the_next);
        $test!(calls::each_half_of_a_stream_may_stop_alone);
        $test!(calls::metadata_travels_both_ways);
        $test!(calls::a_status_arrives_whole);
        $test!(deadlines::a_deadline_that_is_met_changes_nothing);
        $test!(deadlines::a_call_without_answer_ends_at_its_deadline);
        $test!(deadlines::a_deadline_of_zero_is_over_at_once);
        $test!(deadlines::a_stream_ends_at_its_deadline);
        $test!(deadlines::a_stream_of_requests_ends_at_its_deadline);
        $test!(cancellation::cancelled_server_streams_end);
        $test!(cancellation::cancelled_client_streams_end);
        $test!(cancellation::cancelled_conversations_end);
        $test!(cancellation::a_burst_of_cancelled_calls_is_survived);
        $test!(cancellation::calls_cancelled_all_at_once_end);
        $test!(load::sixty_four_calls_run_at_once);
        $test!(load::a_long_message_is_carried_both_ways);
        $test!(load::an_unread_stream_makes_the_server_wait);
        $test!(load::short_messages_that_nobody_reads_harm_no_other_call);
        $test!(load::empty_messages_that_nobody_reads_harm_no_other_call);
        $test!(load::short_requests_that_nobody_reads_make_their_sender_wait);
    };
}
