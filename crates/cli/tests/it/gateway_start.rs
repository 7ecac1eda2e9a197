//! The gateway says what it found when it started, or why it does not start.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sockeye_gateway_testing::{Options, Server as Upstream};

use crate::program::{self, Server, file};

fn error_output(flags: &[&str]) -> String {
    program::error_output(&[&["gateway", "--listen", "127.0.0.1:0"], flags].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_of_each_upstream_are_logged() {
    let upstream = Upstream::start().await;
    let url = upstream.url();
    let mut server = Server::start_gateway(&["--upstream", &url, "--demo", "-v"]);
    server.wait_for("GET /v1/books/{id} calls /sockeye.library.v1.Library/GetBook");
    server.wait_for(&format!("{url}: sockeye.gateway.testing.Echo: "));
    server.wait_for(": sockeye.library.v1.Library: 8 methods, 8 routes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_down_is_asked_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}");
    let mut server = Server::start_gateway(&["--upstream", &url]);
    server.wait_for(&format!("{url}: no services yet: "));
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
    let answer = server.get("/readyz");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with("the services of no upstream are known yet\n"), "{answer}");
    // Another process may have taken the port.
    let options = Options { address, ..Options::default() };
    let Ok(_upstream) = Upstream::start_with(options).await else { return };
    server.wait_for_status("/readyz", 200);
    server.wait_for_status("/v1/echo/hi", 200);
}

#[test]
fn no_upstream_and_a_wrong_one_are_explained() {
    let output = error_output(&[]);
    assert!(output.contains("--upstream http://127.0.0.1:50051"), "{output}");
    assert!(output.contains("--demo"), "{output}");
    for (url, part) in [
        ("127.0.0.1:50051", "http://, https:// or unix:"),
        ("http://127.0.0.1:50051/path", "ends after the port"),
        ("http://ada:secret@127.0.0.1:50051", "no user or password"),
    ] {
        let output = error_output(&["--upstream", url]);
        assert!(output.contains("--upstream"), "{output}");
        assert!(output.contains(part), "{output}");
    }
}

#[test]
fn a_taken_port_is_explained() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let output = program::error_output(&["gateway", "--demo", "--listen", &address]);
    let expected = format!("sockeye: cannot listen on {address}: another program uses");
    assert!(output.starts_with(&expected), "{output}");
}

#[test]
fn a_file_of_rules_that_cannot_be_read_is_refused_with_the_place() {
    let rules =
        file("gateway-bad-rules.toml", "[[http.rules]]\nselector = \"a.B.C\"\nfetch = \"/a\"\n");
    let rules = rules.to_str().unwrap();
    let output = error_output(&["--demo", "--rules", rules]);
    let expected = format!("sockeye: cannot use the rules in {rules}: line 3, column 1: ");
    assert!(output.starts_with(&expected), "{output}");
    let output = error_output(&["--demo", "--rules", "nowhere.toml"]);
    assert!(output.starts_with("sockeye: cannot read nowhere.toml: "), "{output}");
}

#[test]
fn a_faulty_rule_is_left_out_with_a_warning() {
    let rules = "[[http.rules]]\nselector = \"sockeye.library.v1.Library.GetBook\"\n\
                 get = \"/alias/{id}\"\nadditional_bindings = [{ get = \"/**/**\" }]\n\
                 [[http.rules]]\nselector = \"sockeye.library.v1.Library.Burn\"\nget = \"/burn\"\n";
    let rules = file("gateway-faulty-rules.toml", rules);
    let rules = rules.to_str().unwrap();
    let mut server = Server::start_gateway(&["--demo", "--rules", rules]);
    server.wait_for(&format!("{rules}: line 2: HTTP rule of sockeye.library.v1.Library.GetBook"));
    server.wait_for("for sockeye.library.v1.Library.Burn are not used");
    server.wait_for_status("/alias/maps-of-fog", 200);
}

#[test]
fn files_that_are_something_else_are_named() {
    let prose = file("gateway-prose.txt", "not what is expected\n");
    let prose = prose.to_str().unwrap();
    for flags in [
        &["--descriptor-set", prose][..],
        &["--upstream-ca", prose],
        &["--upstream-cert", prose, "--upstream-key", prose],
        &["--auth-secret-file", prose],
        &["--auth-jwks-file", prose],
        &["--tls-cert", prose, "--tls-key", prose],
    ] {
        let flags = [&["--upstream", "https://127.0.0.1:1"], flags].concat();
        let output = error_output(&flags);
        assert!(output.contains(prose), "{flags:?}: {output}");
    }
}
