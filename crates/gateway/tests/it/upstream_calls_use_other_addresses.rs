use std::net::SocketAddr;
use std::time::Duration;

use h2::Reason;
use sockeye_gateway::upstream::{Balance, HealthCheck, Upstream};
use sockeye_gateway_testing::Server;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tonic::Code;

use crate::support::{LIMIT, client, config, message};

/// Starts a server that refuses every stream.
async fn refusing_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_request, mut respond))) = connection.accept().await {
                    respond.send_reset(Reason::REFUSED_STREAM);
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_refused_call_is_sent_to_another_address() {
    let (server, refusing) = (Server::start().await, refusing_server().await);
    let config = config(&format!("http://{refusing}")).url(server.url().parse().unwrap());
    let upstream = Upstream::new(config).unwrap();
    for _ in 0..4 {
        let reply = timeout(LIMIT, client(&upstream).unary(message("x"))).await.unwrap();
        assert_eq!(reply.unwrap().into_inner().text, "x");
    }
    assert_eq!(server.echo.calls(), 4);
}

#[tokio::test]
async fn retries_end_with_their_budget_and_attempts() {
    let refusing = refusing_server().await;
    let upstream = Upstream::new(config(&format!("http://{refusing}"))).unwrap();
    let status = timeout(LIMIT, client(&upstream).unary(message(""))).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let upstream = Upstream::new(config(&format!("http://{refusing}")).retry_percent(0)).unwrap();
    let status = timeout(LIMIT, client(&upstream).unary(message(""))).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn an_address_without_a_server_is_no_harm_beside_one_that_has_one() {
    let server = Server::start().await;
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for balance in [Balance::RoundRobin, Balance::LeastPending] {
        let config = config(&format!("http://{unused}")).url(server.url().parse().unwrap());
        let upstream = Upstream::new(config.balance(balance)).unwrap();
        for _ in 0..20 {
            let called = timeout(LIMIT, client(&upstream).unary(message(""))).await.unwrap();
            called.unwrap();
        }
    }
}

#[tokio::test]
async fn an_unhealthy_address_receives_no_calls_until_it_is_healthy_again() {
    let (sick, healthy) = (Server::start().await, Server::start().await);
    sick.health.set_serving(false);
    let check = HealthCheck::new().interval(Duration::from_millis(10));
    let config = config(&sick.url()).url(healthy.url().parse().unwrap());
    let upstream = Upstream::new(config.health_check(Some(check))).unwrap();
    // The first check follows the start.
    let call_until = async |condition: &dyn Fn(usize) -> bool| {
        let called = async {
            loop {
                let before = sick.echo.calls();
                for _ in 0..4 {
                    client(&upstream).unary(message("")).await.unwrap();
                }
                if condition(sick.echo.calls() - before) {
                    return;
                }
            }
        };
        timeout(LIMIT, called).await.unwrap();
    };
    call_until(&|calls| calls == 0).await;
    sick.health.set_serving(true);
    call_until(&|calls| calls == 2).await;
    sick.health.set_serving(false);
    healthy.health.set_serving(false);
    let failed = async {
        while client(&upstream).unary(message("")).await.is_ok() {}
        client(&upstream).unary(message("")).await.unwrap_err()
    };
    assert_eq!(timeout(LIMIT, failed).await.unwrap().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_name_is_resolved() {
    let server = Server::start().await;
    let url = format!("http://localhost:{}", server.address().port());
    let upstream = Upstream::new(config(&url)).unwrap();
    let reply = timeout(LIMIT, client(&upstream).unary(message("by name"))).await.unwrap();
    assert_eq!(reply.unwrap().into_inner().text, "by name");
    // A label has 63 bytes at most, so that no server is asked.
    let unknown = Upstream::new(config(&format!("http://{}:1", "x".repeat(64)))).unwrap();
    let status = timeout(LIMIT, client(&unknown).unary(message(""))).await.unwrap();
    assert_eq!(status.unwrap_err().code(), Code::Unavailable);
}
