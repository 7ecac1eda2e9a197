use std::time::Duration;

use sockeye_gateway::Gateway;
use sockeye_gateway::metadata::MetadataPolicy;
use sockeye_gateway_testing::proto::{EchoMessage, Failure};
use sockeye_gateway_testing::{Options, ReflectionVersion, Server};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

use crate::support::{LIMIT, ServedGateway, client, message, upstream, wait_for};

#[tokio::test]
async fn all_four_kinds_of_calls_pass() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let mut client = client(&upstream(&gateway.url()));
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
async fn a_status_passes_with_its_details_before_and_after_messages() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let mut client = client(&upstream(&gateway.url()));
    let failure = |number| Failure {
        code: 9,
        message: "nicht jetzt, später".to_owned(),
        detail: Some(message("detail")),
        number,
    };
    for number in [0, 2] {
        let replies = client.fail(failure(number)).await;
        let status = match replies {
            Err(status) => status,
            Ok(replies) => {
                let mut replies = replies.into_inner();
                let mut count = 0;
                loop {
                    match replies.message().await {
                        Ok(Some(_)) => count += 1,
                        Ok(None) => panic!("the status is lost"),
                        Err(status) => {
                            assert_eq!(count, number);
                            break status;
                        }
                    }
                }
            }
        };
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.message(), "nicht jetzt, später");
        assert!(!status.details().is_empty());
        assert_eq!(status.metadata().get("x-failure").unwrap(), "yes");
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_call_upstream() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let mut replies =
        client(&upstream(&gateway.url())).stall(message("")).await.unwrap().into_inner();
    replies.message().await.unwrap();
    drop(replies);
    wait_for(server.echo.in_progress(), 0).await;
}

#[tokio::test]
async fn a_deadline_is_passed_on_and_enforced() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let mut request = Request::new(EchoMessage { number: 60_000, ..message("") });
    request.set_timeout(Duration::from_millis(100));
    let called = timeout(LIMIT, client(&upstream(&gateway.url())).wait(request)).await.unwrap();
    assert_eq!(called.unwrap_err().code(), Code::DeadlineExceeded);
    wait_for(server.echo.in_progress(), 0).await;
}

#[tokio::test]
async fn denied_metadata_do_not_pass_in_either_direction() {
    let server = Server::start().await;
    let mut policy = MetadataPolicy::default();
    policy.deny = vec!["x-internal*".parse().unwrap()];
    let gateway = Gateway::builder().upstream(upstream(&server.url())).metadata(policy).build();
    let gateway = ServedGateway::start(gateway).await;
    let mut request = Request::new(message(""));
    request.metadata_mut().insert("x-internal-user", MetadataValue::from_static("root"));
    request.metadata_mut().insert("x-other", MetadataValue::from_static("passes"));
    let reply = client(&upstream(&gateway.url())).metadata(request).await.unwrap();
    assert_eq!(reply.metadata().get("x-echo").unwrap(), "from the server");
    assert!(reply.metadata().get("x-internal").is_none());
    let names: Vec<_> = reply.get_ref().entries.iter().map(|entry| entry.name.as_str()).collect();
    assert!(names.contains(&"x-other"), "{names:?}");
    assert!(!names.contains(&"x-internal-user"), "{names:?}");
}

#[tokio::test]
async fn calls_need_no_descriptors() {
    let options = Options { reflection: ReflectionVersion::None, ..Options::default() };
    let server = Server::start_with(options).await.unwrap();
    let gateway = ServedGateway::before(&server).await;
    assert_eq!(gateway.inner.catalog().methods().len(), 0);
    assert!(gateway.inner.sources()[0].problem.is_some());
    let reply = client(&upstream(&gateway.url())).unary(message("known")).await.unwrap();
    assert_eq!(reply.into_inner().text, "known");
}

#[tokio::test]
async fn a_message_over_the_limit_ends_its_call() {
    let server = Server::start().await;
    let gateway = Gateway::builder().upstream(upstream(&server.url())).max_message_length(100);
    let gateway = ServedGateway::start(gateway.build()).await;
    let mut client = client(&upstream(&gateway.url()));
    assert!(client.unary(message(&"x".repeat(90))).await.is_ok());
    let status = client.unary(message(&"x".repeat(101))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn grpc_over_http_1_is_told_to_use_http_2() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let request = http::Request::post("/sockeye.gateway.testing.Echo/Unary");
    let request = request.header("content-type", "application/grpc").body(String::new()).unwrap();
    assert_eq!(gateway.fetch(request).await.status, 505);
}
