use http::Request;
use serde_json::json;
use sockeye::upgrade::{ForwardedHeader, TrustedProxies};
use sockeye_gateway::{Gateway, RateLimit};
use sockeye_gateway_testing::Server;

use crate::support::{ServedGateway, client, message, upstream};

/// Allows two calls of each peer at once, and one a second afterwards.
async fn serve() -> (Server, ServedGateway) {
    let server = Server::start().await;
    let proxies = TrustedProxies::new(["127.0.0.1"]).unwrap();
    let gateway = Gateway::builder()
        .upstream(upstream(&server.url()))
        .trusted_proxies(proxies.header(ForwardedHeader::XForwardedFor))
        .rate_limit(RateLimit::per_peer(1, 2));
    let gateway = ServedGateway::start(gateway.build()).await;
    (server, gateway)
}

/// Calls until a call is refused, and returns the refusal.
async fn refused(gateway: &ServedGateway, client: &str) -> crate::support::Fetched {
    for _ in 0..100 {
        let request = Request::get("/v1/echo/x")
            .header("x-forwarded-for", client)
            .header("origin", "http://gateway.test");
        let fetched = gateway.fetch(request.body(String::new()).unwrap()).await;
        if fetched.status != 200 {
            return fetched;
        }
    }
    panic!("a hundred calls passed");
}

#[tokio::test]
async fn calls_beyond_the_burst_are_told_when_to_come_back() {
    let (_server, gateway) = serve().await;
    let fetched = refused(&gateway, "192.0.2.1").await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (429, &json!(8)), "{fetched:?}");
    assert_eq!(fetched.headers["retry-after"], "1");
    let exposed = fetched.headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("retry-after"), "{exposed}");
    let detail = &fetched.json()["details"][0];
    assert_eq!(detail["@type"], "type.googleapis.com/google.rpc.RetryInfo");
    assert!(detail["retryDelay"].as_str().unwrap().ends_with('s'), "{detail}");
}

#[tokio::test]
async fn the_limit_holds_for_all_dialects_together_and_each_peer_alone() {
    let (_server, gateway) = serve().await;
    // Without a header of the proxy, the peer is the proxy itself.
    let mut grpc = client(&upstream(&gateway.url()));
    let mut codes = Vec::new();
    for _ in 0..100 {
        codes.push(match grpc.unary(message("")).await {
            Ok(_) => tonic::Code::Ok,
            Err(status) => status.code(),
        });
        if codes.last() != Some(&tonic::Code::Ok) {
            break;
        }
    }
    assert_eq!(codes.last(), Some(&tonic::Code::ResourceExhausted), "{codes:?}");
    let request = Request::get("/v1/echo/x").header("x-forwarded-for", "192.0.2.7");
    assert_eq!(gateway.fetch(request.body(String::new()).unwrap()).await.status, 200);
}
