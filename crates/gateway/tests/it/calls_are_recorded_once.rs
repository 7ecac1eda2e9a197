use std::sync::{Arc, Mutex};

use http::Request;
use sockeye_gateway::status::Code;
use sockeye_gateway::{CallRecord, Dialect, Gateway};
use sockeye_gateway_testing::Server;
use sockeye_gateway_testing::proto::EchoMessage;
use tokio::time::timeout;

use crate::support::{LIMIT, ServedGateway, client, message, next_data, upstream};

const RPC: &str = "/sockeye.gateway.testing.Echo";

type Records = Arc<Mutex<Vec<CallRecord>>>;

async fn serve() -> (Server, ServedGateway, Records) {
    let server = Server::start().await;
    let records = Records::default();
    let noted = Arc::clone(&records);
    let gateway = Gateway::builder()
        .upstream(upstream(&server.url()))
        .observer(move |record| noted.lock().unwrap().push(record.clone()));
    let gateway = ServedGateway::start(gateway.build()).await;
    (server, gateway, records)
}

/// Returns the only record, after all calls have ended.
async fn only(gateway: &ServedGateway, records: &Records) -> CallRecord {
    gateway.idle().await;
    let mut records = std::mem::take(&mut *records.lock().unwrap());
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

#[tokio::test]
async fn json_has_its_bytes_messages_and_method() {
    let (_server, gateway, records) = serve().await;
    let request = Request::post("/v1/echo?secret=1")
        .header("content-type", "application/json")
        .header("x-request-id", "r-1");
    let fetched = gateway.fetch(request.body(r#"{"text":"x"}"#.to_owned()).unwrap()).await;
    let record = only(&gateway, &records).await;
    assert_eq!((record.dialect, record.code), (Dialect::Json, Code::Ok));
    assert_eq!(record.method.as_deref(), Some("/sockeye.gateway.testing.Echo/Unary"));
    assert_eq!((&*record.path, record.http_method.as_str()), ("/v1/echo", "POST"));
    assert_eq!(record.http_status.map(|status| status.as_u16()), Some(200));
    assert_eq!((record.request_bytes, record.response_bytes), (12, fetched.body.len() as u64));
    assert_eq!((record.request_messages, record.response_messages), (1, 1));
    assert_eq!(record.request_id.as_deref(), Some("r-1"));
    assert!(record.peer.is_some());
}

#[tokio::test]
async fn streams_and_native_calls_have_their_messages_and_status() {
    let (_server, gateway, records) = serve().await;
    let mut grpc = client(&upstream(&gateway.url()));
    let request = EchoMessage { number: 3, ..message("many") };
    let mut replies = grpc.repeat(request).await.unwrap().into_inner();
    while replies.message().await.unwrap().is_some() {}
    let record = only(&gateway, &records).await;
    assert_eq!((record.dialect, record.code), (Dialect::Grpc, Code::Ok));
    assert_eq!((record.request_messages, record.response_messages), (1, 3));

    gateway.get("/v1/repeat/x?number=4").await;
    let record = only(&gateway, &records).await;
    assert_eq!(
        (record.dialect, record.code, record.response_messages),
        (Dialect::Json, Code::Ok, 4)
    );

    gateway.post("/v1/fail", r#"{"code":9,"message":"late","number":2}"#).await;
    let record = only(&gateway, &records).await;
    assert_eq!((record.code, record.response_messages), (Code::FailedPrecondition, 2));
    assert_eq!(record.http_status.map(|status| status.as_u16()), Some(200));
}

#[tokio::test]
async fn grpc_web_and_connect_are_told_apart() {
    let (_server, gateway, records) = serve().await;
    let request = Request::post(format!("{RPC}/Unary"))
        .header("content-type", "application/grpc-web-text")
        .body("AAAAAAA=".to_owned());
    gateway.fetch(request.unwrap()).await;
    let record = only(&gateway, &records).await;
    assert_eq!((record.dialect, record.code), (Dialect::GrpcWeb, Code::Ok));
    assert_eq!((record.request_messages, record.response_messages), (1, 1));

    let request = Request::post(format!("{RPC}/FailUnary"))
        .header("content-type", "application/json")
        .header("connect-protocol-version", "1")
        .body(r#"{"code":5}"#.to_owned());
    gateway.fetch(request.unwrap()).await;
    let record = only(&gateway, &records).await;
    assert_eq!((record.dialect, record.code), (Dialect::Connect, Code::NotFound));
    assert_eq!(record.http_status.map(|status| status.as_u16()), Some(404));
}

#[tokio::test]
async fn requests_that_are_no_calls_and_refusals_have_records() {
    let (_server, gateway, records) = serve().await;
    gateway.get("/v1/nothing").await;
    let record = only(&gateway, &records).await;
    assert_eq!((record.dialect, record.code), (Dialect::Http, Code::NotFound));
    assert_eq!(record.method, None);
    gateway.post("/v1/echo", "{").await;
    let record = only(&gateway, &records).await;
    assert_eq!((record.dialect, record.code), (Dialect::Json, Code::InvalidArgument));
    assert_eq!(record.http_status.map(|status| status.as_u16()), Some(400));
    assert_eq!(record.request_messages, 0);
}

#[tokio::test]
async fn a_client_that_leaves_has_cancelled_its_call() {
    let (_server, gateway, records) = serve().await;
    let request = Request::get("/v1/stall?text=x").body(String::new()).unwrap();
    let mut response = gateway.send(request).await;
    timeout(LIMIT, next_data(response.body_mut())).await.unwrap().unwrap();
    drop(response);
    let record = only(&gateway, &records).await;
    assert_eq!((record.dialect, record.code), (Dialect::Json, Code::Canceled));
    assert_eq!(record.response_messages, 1);
}
