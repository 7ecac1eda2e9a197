use std::time::Duration;

use sockeye_gateway::Gateway;
use sockeye_gateway::catalog::{Descriptors, Source};
use sockeye_gateway::reflection::FileSet;
use sockeye_gateway_testing::{DESCRIPTORS, Options, Proxy, ReflectionVersion, Server};
use tokio::time::{sleep, timeout};

use crate::support::{LIMIT, ServedGateway, upstream};

const UNARY: &str = "/sockeye.gateway.testing.Echo/Unary";

#[tokio::test]
async fn services_may_come_from_a_file() {
    let options = Options { reflection: ReflectionVersion::None, ..Options::default() };
    let server = Server::start_with(options).await.unwrap();
    let set = FileSet::from_descriptor_set(DESCRIPTORS.into()).unwrap();
    let source = Source::new(upstream(&server.url())).descriptors(Descriptors::Fixed(set));
    let gateway = ServedGateway::start(Gateway::builder().source(source).build()).await;
    assert_eq!(gateway.post("/v1/echo", r#"{"text":"x"}"#).await.status, 200);
}

#[tokio::test]
async fn a_service_is_called_at_the_upstream_that_is_named_for_it() {
    let (first, second) = (Server::start().await, Server::start().await);
    let gateway = Gateway::builder()
        .upstream(upstream(&first.url()))
        .source(Source::new(upstream(&second.url())).services(["sockeye.gateway.testing.Echo"]));
    let gateway = ServedGateway::start(gateway.build()).await;
    assert_eq!(gateway.post(UNARY, "{}").await.status, 200);
    assert_eq!((first.echo.calls(), second.echo.calls()), (0, 1));
}

#[tokio::test]
async fn descriptors_that_cannot_be_used_leave_the_old_ones_in_place() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let gateway = Gateway::builder().upstream(upstream(&proxy.url())).build();
    let gateway = ServedGateway::start(gateway).await;
    assert!(gateway.inner.sources()[0].problem.is_none());
    server.set_descriptors(b"\xff\xff garbage");
    // A new connection makes the gateway ask again.
    proxy.cut();
    let problem = call_until(&gateway, Option::is_some).await;
    assert!(problem.unwrap().contains("descriptor"));
    assert_eq!(gateway.post("/v1/echo", r#"{"text":"still"}"#).await.status, 200);
    server.set_descriptors(DESCRIPTORS);
    proxy.cut();
    call_until(&gateway, Option::is_none).await;
}

/// Makes calls until the problem of the first upstream is as expected, and returns it.
async fn call_until(
    gateway: &ServedGateway,
    is_expected: impl Fn(&Option<String>) -> bool,
) -> Option<String> {
    let reached = async {
        loop {
            let problem = gateway.inner.sources()[0].problem.clone();
            if is_expected(&problem) {
                return problem;
            }
            gateway.post(UNARY, "{}").await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, reached).await.unwrap()
}

#[tokio::test]
async fn a_server_that_starts_after_the_gateway_is_learned() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    proxy.set_refusing(true);
    let gateway = Gateway::builder().upstream(upstream(&proxy.url())).build();
    let gateway = ServedGateway::start(gateway).await;
    let early = gateway.post(UNARY, "{}").await;
    assert_eq!((early.status, &early.json()["code"]), (503, &14.into()));
    proxy.set_refusing(false);
    let learned = async {
        while gateway.post(UNARY, "{}").await.status != 200 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, learned).await.unwrap();
}
