use http::Request;
use serde_json::json;
use sockeye_gateway::Gateway;
use sockeye_gateway_testing::{Proxy, Server};
use tokio::time::timeout;

use crate::support::{LIMIT, ServedGateway, client, message, next_data, upstream, wait_for};

const RPC: &str = "/sockeye.gateway.testing.Echo";

#[tokio::test]
async fn a_drain_waits_for_calls_and_refuses_new_ones_in_their_form() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let request = Request::get("/v1/stall?text=x").body(String::new()).unwrap();
    let mut response = gateway.send(request).await;
    timeout(LIMIT, next_data(response.body_mut())).await.unwrap().unwrap();

    let draining = tokio::spawn({
        let gateway = gateway.inner.clone();
        async move { gateway.drain().await }
    });
    timeout(LIMIT, gateway.inner.draining()).await.unwrap();
    assert!(gateway.inner.is_draining());
    let request = Request::get("/v1/echo/x").header("origin", "http://gateway.test");
    let fetched = gateway.fetch(request.body(String::new()).unwrap()).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (503, &json!(14)));
    // A page learns it as well.
    assert_eq!(fetched.headers["access-control-allow-origin"], "http://gateway.test");
    let request = Request::post(format!("{RPC}/Unary"))
        .header("content-type", "application/json")
        .header("connect-protocol-version", "1");
    let fetched = gateway.fetch(request.body("{}".to_owned()).unwrap()).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (503, &json!("unavailable")));
    let status = client(&upstream(&gateway.url())).unary(message("")).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(server.echo.calls(), 0);

    assert!(!draining.is_finished());
    assert_eq!(gateway.inner.calls_in_progress(), 1);
    drop(response);
    timeout(LIMIT, draining).await.unwrap().unwrap();
    wait_for(server.echo.in_progress(), 0).await;
}

#[tokio::test]
async fn a_reload_replaces_upstreams_and_calls_keep_theirs() {
    let (first, second) = (Server::start().await, Server::start().await);
    let gateway = ServedGateway::before(&first).await;
    let request = Request::get("/v1/stall?text=x").body(String::new()).unwrap();
    let mut response = gateway.send(request).await;
    timeout(LIMIT, next_data(response.body_mut())).await.unwrap().unwrap();

    let builder = Gateway::builder().upstream(upstream(&second.url())).max_message_length(1_000);
    timeout(LIMIT, gateway.inner.reload(builder)).await.unwrap().unwrap();
    assert_eq!(gateway.get("/v1/echo/x").await.status, 200);
    assert_eq!((first.echo.calls(), second.echo.calls()), (0, 1));
    let long = json!({"text": "x".repeat(1_001)}).to_string();
    assert_eq!(gateway.post("/v1/echo", &long).await.status, 429);
    // The call of before goes on.
    assert_eq!(*first.echo.in_progress().borrow(), 1);
    drop(response);
    wait_for(first.echo.in_progress(), 0).await;
}

#[tokio::test]
async fn an_upstream_that_is_down_keeps_its_services_over_a_reload() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let gateway = Gateway::builder().upstream(upstream(&proxy.url())).build();
    let gateway = ServedGateway::start(gateway).await;
    proxy.set_refusing(true);
    proxy.cut();
    let builder = Gateway::builder().upstream(upstream(&proxy.url()));
    timeout(LIMIT, gateway.inner.reload(builder)).await.unwrap().unwrap();
    let source = &gateway.inner.sources()[0];
    assert!(source.schema.is_some() && source.problem.is_some(), "{source:?}");
    // The route is known, and the upstream is not there.
    assert_eq!(gateway.get("/v1/echo/x").await.status, 503);
}

#[tokio::test]
async fn no_call_is_lost_while_the_settings_are_replaced() {
    let servers = [Server::start().await, Server::start().await];
    let gateway = ServedGateway::before(&servers[0]).await;
    let reloading = async {
        for round in 1..=6 {
            let server = &servers[round % 2];
            let builder = Gateway::builder().upstream(upstream(&server.url()));
            timeout(LIMIT, gateway.inner.reload(builder)).await.unwrap().unwrap();
        }
    };
    let calling = async {
        loop {
            let fetched = gateway.get("/v1/echo/x").await;
            assert_eq!(fetched.status, 200, "{fetched:?}");
        }
    };
    tokio::select! {
        () = reloading => {}
        () = calling => {}
    }
    assert!(servers.iter().all(|server| server.echo.calls() > 0));
    gateway.idle().await;
}
