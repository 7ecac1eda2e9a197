use std::time::Duration;

use sockeye_gateway::Gateway;
use sockeye_gateway::rules::RuleFile;
use sockeye_gateway_testing::{Options, Proxy, Server};
use tokio::time::{sleep, timeout};

use crate::support::raw_upstream::compile;
use crate::support::{LIMIT, ServedGateway, upstream};

fn rules(text: &str) -> RuleFile {
    RuleFile::from_toml(text).unwrap()
}

/// Two methods with one route.
const CONFLICT: &str = r#"
    [[http.rules]]
    selector = "sockeye.gateway.testing.Echo.Unary"
    get = "/v1/same/{text}"

    [[http.rules]]
    selector = "sockeye.gateway.testing.Echo.Lookup"
    get = "/v1/same/{child.text}"
"#;

#[tokio::test]
async fn a_gateway_with_two_rules_for_a_request_is_not_ready() {
    let server = Server::start().await;
    let builder = || Gateway::builder().upstream(upstream(&server.url()));
    let gateway = builder().rules(rules(CONFLICT)).build();
    let conflicts = timeout(LIMIT, gateway.ready()).await.unwrap().unwrap_err();
    assert_eq!(conflicts.iter().len(), 1);
    let text = conflicts.to_string();
    for part in ["Echo/Lookup", "Echo/Unary", "GET", "/v1/same/{text}", "/v1/same/{child.text}"] {
        assert!(text.contains(part), "{text}");
    }
    // A program that goes on uses the first, and can tell the operator.
    assert_eq!(gateway.sources()[0].conflicts.len(), 1);
    assert_eq!(gateway.catalog().router().routes().len(), gateway_routes(&server).await + 1);

    // A reload leaves the old rules in place.
    let gateway = ServedGateway::before(&server).await;
    let reloaded = timeout(LIMIT, gateway.inner.reload(builder().rules(rules(CONFLICT)))).await;
    assert!(reloaded.unwrap().is_err());
    assert_eq!(gateway.get("/v1/same/x").await.status, 404);
    assert_eq!(gateway.get("/v1/echo/x").await.status, 200);
}

async fn gateway_routes(server: &Server) -> usize {
    let gateway = ServedGateway::before(server).await;
    gateway.inner.catalog().router().routes().len()
}

#[tokio::test]
async fn a_rule_of_a_file_replaces_an_annotation_without_a_conflict() {
    let server = Server::start().await;
    let file = rules(
        r#"
        [[http.rules]]
        selector = "sockeye.gateway.testing.Echo.Lookup"
        get = "/v1/echo/{text}"
        "#,
    );
    let gateway = Gateway::builder().upstream(upstream(&server.url())).rules(file).build();
    let gateway = ServedGateway::start(gateway).await;
    assert_eq!(gateway.get("/v1/echo/x").await.status, 200);
    // `Lookup` was called, not `Unary`.
    assert_eq!(server.echo.calls(), 0);
    assert!(gateway.inner.sources()[0].conflicts.is_empty());
}

#[tokio::test]
async fn a_route_that_an_upstream_adds_later_does_not_displace_an_older_one() {
    let first = Server::start().await;
    let options = Options { descriptors: compile("bodies.proto"), ..Options::default() };
    let second = Server::start_with(options).await.unwrap();
    let proxy = Proxy::start(second.address()).await.unwrap();
    let gateway = Gateway::builder()
        .upstream(upstream(&first.url()))
        .upstream(upstream(&proxy.url()))
        .build();
    let gateway = ServedGateway::start(gateway).await;
    second.set_descriptors(&compile("conflict.proto"));
    // A new connection makes the gateway ask again.
    proxy.cut();
    let learned = async {
        while gateway.inner.sources()[1].conflicts.is_empty() {
            gateway.post("/v1/raw", "").await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, learned).await.unwrap();
    let conflict = &gateway.inner.sources()[1].conflicts[0];
    assert_eq!(conflict.method().path(), "/aaa.First/Get");
    assert_eq!(conflict.kept().path(), "/sockeye.gateway.testing.Echo/Unary");
    assert_eq!(gateway.get("/v1/echo/x").await.status, 200);
    assert_eq!(first.echo.calls(), 1);
    // The other route of the method is there.
    assert_eq!(gateway.get("/v1/first/x").await.status, 501);
    assert!(gateway.inner.sources()[0].conflicts.is_empty());
    assert!(gateway.inner.ready().await.is_err());
}
