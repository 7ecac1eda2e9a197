//! `sockeye call` lists services and methods, and describes methods and messages.

use crate::program::grpc::{ECHO, Grpc, outcome};

#[test]
fn services_and_methods_are_listed() {
    let grpc = Grpc::start();
    let address = grpc.address();
    for arguments in [&[address.as_str()][..], &[&address, "list"]] {
        let listed = outcome(arguments);
        assert_eq!(listed.code, 0, "{}", listed.errors);
        let lines: Vec<_> = listed.out.lines().collect();
        assert_eq!(lines, ["grpc.health.v1.Health", ECHO], "{arguments:?}");
    }
    let listed = outcome(&[&address, "list", ECHO]);
    let first: Vec<_> = listed.out.lines().take(2).collect();
    assert_eq!(first, [format!("{ECHO}/Unary"), format!("{ECHO}/Lookup")]);
    assert_eq!(listed.out.lines().count(), 10, "{}", listed.out);
}

#[test]
fn a_method_is_described_with_its_messages() {
    let grpc = Grpc::start();
    let described = outcome(&[&grpc.address(), "describe", &format!("{ECHO}/FailUnary")]);
    assert_eq!(described.code, 0, "{}", described.errors);
    for lines in [
        "// HTTP: POST /v1/fail-unary, body *\n\
         rpc FailUnary(sockeye.gateway.testing.Failure) \
         returns (sockeye.gateway.testing.EchoMessage);\n",
        "message sockeye.gateway.testing.Failure {\n  int32 code = 1;\n  string message = 2;\n",
        "  repeated string list = 5;\n}\n",
        "// {\"code\":0,\"message\":\"\",\"detail\":null,\"number\":0}\n",
    ] {
        assert!(described.out.contains(lines), "{}", described.out);
    }
}

#[test]
fn services_are_described_with_their_streams_and_rules() {
    let grpc = Grpc::start();
    let address = grpc.address();
    let all = outcome(&[&address, "describe"]);
    assert_eq!(all.code, 0, "{}", all.errors);
    for lines in [
        "service sockeye.gateway.testing.Echo {\n",
        "  // HTTP: PUT /v1/echo/{text}, body child\n",
        "  // HTTP: GET /v1/echo/{text}:child, response body child\n",
        "  rpc Chat(stream sockeye.gateway.testing.EchoMessage) returns \
         (stream sockeye.gateway.testing.EchoMessage);\n",
        "service grpc.health.v1.Health {\n",
    ] {
        assert!(all.out.contains(lines), "{}", all.out);
    }
    let one = outcome(&[&address, "describe", ECHO]);
    assert!(all.out.contains(&one.out), "{}", one.out);
}

#[test]
fn a_gateway_below_a_path_lists_its_services() {
    let grpc = Grpc::start();
    let address = grpc.gateway_below("/api");
    let listed = outcome(&[&address, "list"]);
    assert_eq!(listed.code, 0, "{}", listed.errors);
    assert!(listed.out.lines().any(|line| line == ECHO), "{}", listed.out);
    for protocol in ["grpc", "grpc-web", "connect", "websocket", "json"] {
        let unary = format!("{ECHO}/Unary");
        let called = outcome(&[&address, &unary, "-d", r#"{"text":"a"}"#, "--protocol", protocol]);
        assert_eq!(called.code, 0, "{protocol}: {}", called.errors);
        assert!(called.out.contains(r#""text": "a""#), "{protocol}: {}", called.out);
    }
    // The services may be at the root, where a path belongs to other routes.
    let at_root = format!("{}/elsewhere", grpc.gateway());
    assert_eq!(outcome(&[&at_root, "list"]).code, 0);
}
