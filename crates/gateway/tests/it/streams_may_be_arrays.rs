use http::Request;
use serde_json::json;
use sockeye_gateway::Gateway;
use sockeye_gateway_testing::Server;

use crate::support::{ServedGateway, upstream};

async fn serve() -> (Server, ServedGateway) {
    let server = Server::start().await;
    let gateway = Gateway::builder().upstream(upstream(&server.url())).array_streams(true);
    let gateway = ServedGateway::start(gateway.build()).await;
    (server, gateway)
}

#[tokio::test]
async fn a_stream_is_one_array() {
    let (_server, gateway) = serve().await;
    let fetched = gateway.get("/v1/repeat/x?number=3").await;
    assert_eq!(fetched.headers["content-type"], "application/json");
    let replies = fetched.json();
    assert_eq!(replies.as_array().unwrap().len(), 3, "{fetched:?}");
    assert_eq!(gateway.get("/v1/repeat/x?number=0").await.json(), json!([]));
}

#[tokio::test]
async fn an_error_is_the_last_element() {
    let (_server, gateway) = serve().await;
    let fetched = gateway.post("/v1/fail", r#"{"code":9,"message":"late","number":2}"#).await;
    let replies = fetched.json();
    let replies = replies.as_array().unwrap();
    assert_eq!((fetched.status, replies.len()), (200, 3), "{replies:?}");
    assert_eq!(replies[2]["error"]["message"], "late");
}

#[tokio::test]
async fn a_client_that_accepts_lines_or_events_gets_them() {
    let (_server, gateway) = serve().await;
    for accept in ["application/x-ndjson", "text/event-stream"] {
        let request = Request::get("/v1/repeat/x?number=1").header("accept", accept);
        let fetched = gateway.fetch(request.body(String::new()).unwrap()).await;
        assert_eq!(fetched.headers["content-type"], accept);
    }
}
