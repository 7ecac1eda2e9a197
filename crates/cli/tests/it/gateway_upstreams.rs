//! The flags about upstreams: descriptors from a file, services by name, the health check, limits.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use sockeye_gateway_testing::{DESCRIPTORS, Options, ReflectionVersion, Server as Upstream};

use crate::program::Server;

#[tokio::test(flavor = "multi_thread")]
async fn descriptors_come_from_a_file_where_there_is_no_reflection() {
    let options = Options { reflection: ReflectionVersion::None, ..Options::default() };
    let upstream = Upstream::start_with(options).await.unwrap();
    let url = upstream.url();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gateway-descriptors.bin");
    std::fs::write(&file, DESCRIPTORS).unwrap();
    let mut without = Server::start_gateway(&["--upstream", &url]);
    without.wait_for(&format!("{url}: no services yet: "));
    assert!(without.get("/readyz").starts_with("HTTP/1.1 503 "));
    let flags = ["--upstream", &url, "--descriptor-set", file.to_str().unwrap()];
    Server::start_gateway(&flags).wait_for_status("/v1/echo/hi", 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_goes_to_the_upstream_that_is_named_for_it() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let all = first.url();
    let named = format!("sockeye.gateway.testing.Echo={}", second.url());
    let server = Server::start_gateway(&["--upstream", &all, "--upstream", &named]);
    server.wait_for_status("/readyz", 200);
    server.wait_for_status("/v1/echo/hi", 200);
    assert_eq!((first.echo.calls(), second.echo.calls()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_to_healthy_addresses_of_an_upstream_only() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    first.health.set_serving(false);
    let both = format!("{},{}", first.url(), second.url());
    let server = Server::start_gateway(&["--upstream", &both, "--health-check"]);
    server.wait_for_status("/readyz", 200);
    // The check of an address begins with the program, and may end after the first calls.
    server.wait_for_status("/v1/echo/hi", 200);
    let before = first.echo.calls();
    for _ in 0..10 {
        assert!(server.get("/v1/echo/hi").starts_with("HTTP/1.1 200 "));
    }
    assert!(first.echo.calls() <= before + 1, "{} {before}", first.echo.calls());
}

#[test]
fn calls_beyond_the_rate_limit_are_refused() {
    let server = Server::start_gateway(&["--demo", "--rate-limit", "1", "--rate-burst", "2"]);
    server.wait_for_status("/readyz", 200);
    let statuses: Vec<_> =
        (0..20).map(|_| server.get("/v1/books/maps-of-fog")[9..12].to_owned()).collect();
    assert_eq!(statuses[..2], ["200", "200"]);
    assert!(statuses.iter().any(|status| status == "429"), "{statuses:?}");
}
