use sockeye_gateway::dialect::framing::{ClientFrame, INITIAL_CREDIT, ServerFrame};
use sockeye_gateway::dispatch::Codec;
use sockeye_gateway::status::Code;
use sockeye_gateway_testing::proto::EchoMessage;

use crate::sockets::{CallsClient, encoded, json, serve, start};
use crate::support::message;

#[tokio::test]
async fn a_server_without_credit_waits_and_the_other_calls_go_on() {
    let (_server, gateway) = serve(|builder| builder).await;
    let mut client = CallsClient::connect(&gateway).await;
    let mut slow = start("Repeat");
    slow.credit = 0;
    slow.message = Some(r#"{"text":"x","number":3}"#.into());
    slow.half_close = true;
    client.start(1, slow).await;
    client.start_with(2, "Repeat", r#"{"text":"y","number":100}"#).await;
    loop {
        match client.next().await {
            ServerFrame::Message(id, _) => assert_eq!(id, 2),
            ServerFrame::End(id, end) => {
                assert_eq!((id, end.code), (2, Code::Ok));
                break;
            }
            _ => {}
        }
    }
    // One byte allows one message, and the rest of its length is owed.
    client.send(ClientFrame::Credit(1, 1)).await;
    let ServerFrame::Message(1, _) = client.next().await else { panic!("a message follows") };
    client.send(ClientFrame::Credit(1, 1)).await;
    client.start_with(3, "Unary", "{}").await;
    let others = client.finish(3).await;
    assert_eq!((others.messages.len(), others.end.code), (1, Code::Ok));
    client.send(ClientFrame::Credit(1, 1_000)).await;
    let called = client.finish(1).await;
    assert_eq!((called.messages.len(), called.end.code), (2, Code::Ok));
}

#[tokio::test]
async fn an_end_needs_no_credit() {
    let (_server, gateway) = serve(|builder| builder).await;
    let mut client = CallsClient::connect(&gateway).await;
    for (id, method) in [(1, "Repeat"), (2, "FailUnary")] {
        let mut start = start(method);
        start.credit = 0;
        start.message = Some("{}".into());
        start.half_close = true;
        client.start(id, start).await;
        assert!(client.finish(id).await.messages.is_empty());
    }
}

#[tokio::test]
async fn a_client_gets_credit_for_what_the_upstream_takes() {
    let (_server, gateway) = serve(|builder| builder).await;
    let mut client = CallsClient::connect(&gateway).await;
    let mut upload = start("Collect");
    upload.codec = Codec::Proto;
    client.start(1, upload).await;
    let request = encoded(Codec::Proto, &message(&"x".repeat(10_000)));
    let mut credit = i64::try_from(INITIAL_CREDIT).unwrap();
    for _ in 0..100 {
        while credit <= 0 {
            match client.next().await {
                ServerFrame::Credit(1, bytes) => credit += i64::try_from(bytes).unwrap(),
                frame => panic!("{frame:?}"),
            }
        }
        let frame = ClientFrame::Message(1, request.clone(), false).encode();
        credit -= i64::try_from(frame.len()).unwrap();
        client.socket.send(frame).await.unwrap();
    }
    client.send(ClientFrame::HalfClose(1)).await;
    let called = client.finish(1).await;
    assert_eq!(called.end.code, Code::Ok, "{:?}", called.end);
    assert_eq!(called.texts()[0].len(), 1_000_000);
}

#[tokio::test]
async fn a_client_that_sends_without_credit_ends_its_call() {
    let (_server, gateway) = serve(|builder| builder).await;
    let mut client = CallsClient::connect(&gateway).await;
    // The responses of the call are not taken, so the upstream stops taking requests.
    let mut chat = start("Chat");
    (chat.codec, chat.credit) = (Codec::Proto, 0);
    client.start(1, chat).await;
    let request = EchoMessage { data: vec![0; 256 * 1024], ..message("") };
    let request = ClientFrame::Message(1, encoded(Codec::Proto, &request), false).encode();
    // Far more than all windows between here and the upstream hold.
    for _ in 0..200 {
        client.socket.send(request.clone()).await.unwrap();
    }
    assert_eq!(client.finish(1).await.end.code, Code::ResourceExhausted);
    // Neither the socket nor the connection to the upstream has its window used up.
    client.start_with(2, "Unary", r#"{"text":"x"}"#).await;
    assert_eq!(client.finish(2).await.texts(), ["x"]);
}

#[tokio::test]
async fn a_message_longer_than_the_credit_passes() {
    let (_server, gateway) = serve(|builder| builder).await;
    let mut client = CallsClient::connect(&gateway).await;
    let long = json(&format!("{{\"text\":{:?}}}", "x".repeat(200_000)));
    client.start(1, start("Unary")).await;
    client.send(ClientFrame::Message(1, long, true)).await;
    assert_eq!(client.finish(1).await.texts()[0].len(), 200_000);
}
