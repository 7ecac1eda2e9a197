use sockeye_gateway_testing::proto::EchoMessage;
use sockeye_gateway_testing::proto::echo_client::EchoClient;
use sockeye_grpc::Endpoint;
use tokio_stream::StreamExt as _;
use tonic::{Code, Request};

use crate::sockets::{client, serve};
use crate::support::{ServedGateway, message, wait_for};

async fn connect(gateway: &ServedGateway) -> EchoClient<sockeye_grpc::Channel> {
    EchoClient::new(Endpoint::new(client(gateway, "/tunnel")).connect().await.unwrap())
}

#[tokio::test]
async fn all_four_kinds_of_calls_pass() {
    let (_server, gateway) = serve(|builder| builder.tunnel_path("/tunnel")).await;
    let mut client = connect(&gateway).await;
    assert_eq!(client.unary(message("one")).await.unwrap().into_inner().text, "one");
    let request = EchoMessage { number: 3, ..message("many") };
    let replies = client.repeat(request).await.unwrap().into_inner();
    let numbers: Vec<_> = replies.map(|reply| reply.unwrap().number).collect().await;
    assert_eq!(numbers, [0, 1, 2]);
    let texts = || tokio_stream::iter(["a", "b"].map(message));
    let all = client.collect(texts()).await.unwrap().into_inner();
    assert_eq!((all.text.as_str(), all.number), ("ab", 2));
    let replies = client.chat(texts()).await.unwrap().into_inner();
    let texts: Vec<_> = replies.map(|reply| reply.unwrap().text).collect().await;
    assert_eq!(texts, ["a", "b"]);
}

#[tokio::test]
async fn calls_in_a_tunnel_have_the_rules_of_all_calls() {
    let settings =
        |builder: sockeye_gateway::Builder| builder.tunnel_path("/tunnel").max_message_length(100);
    let (_server, gateway) = serve(settings).await;
    let mut client = connect(&gateway).await;
    let status = client.unary(message(&"x".repeat(101))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let mut request = Request::new(message(""));
    request.metadata_mut().insert("x-forwarded-for", "192.0.2.1".parse().unwrap());
    let reply = client.metadata(request).await.unwrap().into_inner();
    let forwarded = reply.entries.iter().filter(|entry| entry.name == "x-forwarded-for");
    assert!(forwarded.clone().all(|entry| entry.value == "127.0.0.1"), "{reply:?}");
    assert_eq!(forwarded.count(), 1);
}

#[tokio::test]
async fn a_client_that_vanishes_cancels_its_calls_upstream() {
    let (server, gateway) = serve(|builder| builder.tunnel_path("/tunnel")).await;
    let mut client = connect(&gateway).await;
    let stalled = client.stall(message("")).await.unwrap();
    wait_for(server.echo.in_progress(), 1).await;
    drop((stalled, client));
    wait_for(server.echo.in_progress(), 0).await;
}
