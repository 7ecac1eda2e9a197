//! Every action of a server below gRPC becomes a status of the call, and never a panic.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::{HeaderMap, Response};
use sockeye_grpc::{Channel, Endpoint};
use sockeye_grpc_testing::proto::Empty;
use sockeye_grpc_testing::proto::test_service_client::TestServiceClient;
use tokio::io::DuplexStream;
use tokio::sync::Notify;
use tonic::Code;

/// Returns a channel to a server that calls `act` with every call.
async fn channel(act: impl Fn(SendResponse<Bytes>) + Send + Sync + 'static) -> Channel {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(serve(theirs, act));
    let ours = Mutex::new(Some(ours));
    let connector = move || std::future::ready(Ok(ours.lock().unwrap().take().unwrap()));
    Endpoint::with_connector(connector).connect().await.unwrap()
}

async fn serve(stream: DuplexStream, act: impl Fn(SendResponse<Bytes>)) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_request, respond))) = connection.accept().await {
        act(respond);
    }
}

fn headers() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

/// An empty message.
const MESSAGE: Bytes = Bytes::from_static(&[0; 5]);

const CODES: [(Reason, Code); 8] = [
    (Reason::NO_ERROR, Code::Internal),
    (Reason::PROTOCOL_ERROR, Code::Internal),
    (Reason::INTERNAL_ERROR, Code::Internal),
    (Reason::FLOW_CONTROL_ERROR, Code::Internal),
    (Reason::REFUSED_STREAM, Code::Unavailable),
    (Reason::CANCEL, Code::Cancelled),
    (Reason::ENHANCE_YOUR_CALM, Code::ResourceExhausted),
    (Reason::INADEQUATE_SECURITY, Code::PermissionDenied),
];

#[tokio::test]
async fn a_reset_in_place_of_an_answer_has_its_code() {
    for (reason, code) in CODES {
        let channel = channel(move |mut respond| respond.send_reset(reason)).await;
        let status = TestServiceClient::new(channel).hang(Empty {}).await.unwrap_err();
        assert_eq!(status.code(), code, "{reason:?}: {status:?}");
    }
}

#[tokio::test]
async fn a_reset_midway_has_its_code() {
    for (reason, code) in CODES {
        let received = Arc::new(Notify::new());
        let signal = Arc::clone(&received);
        let channel = channel(move |mut respond| {
            let mut body = respond.send_response(headers(), false).unwrap();
            body.send_data(MESSAGE, false).unwrap();
            let signal = Arc::clone(&signal);
            tokio::spawn(async move {
                signal.notified().await;
                body.send_reset(reason);
            });
        })
        .await;
        let mut replies =
            TestServiceClient::new(channel).stall(Empty {}).await.unwrap().into_inner();
        assert!(replies.message().await.unwrap().is_some());
        received.notify_one();
        let status = replies.message().await.unwrap_err();
        assert_eq!(status.code(), code, "{reason:?}: {status:?}");
    }
}

#[tokio::test]
async fn details_that_are_no_base64_are_left_out() {
    let trailers_only = channel(|mut respond| {
        let mut response = headers();
        response.headers_mut().insert("grpc-status", "5".parse().unwrap());
        response.headers_mut().insert("grpc-status-details-bin", "?!".parse().unwrap());
        respond.send_response(response, true).unwrap();
    })
    .await;
    let with_trailers = channel(|mut respond| {
        let mut body = respond.send_response(headers(), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "5".parse().unwrap());
        trailers.insert("grpc-status-details-bin", "?!".parse().unwrap());
        body.send_trailers(trailers).unwrap();
    })
    .await;
    for channel in [trailers_only, with_trailers] {
        let status = TestServiceClient::new(channel).hang(Empty {}).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{status:?}");
        assert!(status.details().is_empty());
    }
}

#[tokio::test]
async fn the_reason_of_a_connection_that_the_server_ends_is_in_the_status() {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let mut connection = h2::server::handshake(theirs).await.unwrap();
        let call = connection.accept().await.unwrap().unwrap();
        connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        while connection.accept().await.is_some() {}
        drop(call);
    });
    let ours = Mutex::new(Some(ours));
    let connector = move || std::future::ready(Ok(ours.lock().unwrap().take().unwrap()));
    let channel = Endpoint::with_connector(connector).connect().await.unwrap();
    let status = TestServiceClient::new(channel).hang(Empty {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let expected = "the server ended the connection: connection error received: ";
    assert!(status.message().starts_with(expected), "{status:?}");
    assert!(status.message().contains(Reason::ENHANCE_YOUR_CALM.description()), "{status:?}");
}
