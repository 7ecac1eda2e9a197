use http::{HeaderValue, Method, Request};

use super::*;
use crate::route::{MethodKind, RouteError, Router, Template};

const METHOD: &str = "/pkg.Service/Method";

type Outcome = Result<Dispatch<&'static str, usize>, u16>;

/// Dispatches a request such as `GET /path 2`. The version `websocket` is HTTP/2 with the
/// pseudo-header `:protocol`.
fn outcome(request: &str, headers: &[(&str, &str)]) -> Outcome {
    outcome_with(false, request, headers)
}

fn outcome_with(form_posts: bool, request: &str, headers: &[(&str, &str)]) -> Outcome {
    let parts: Vec<_> = request.split(' ').collect();
    let [method, target, version] = parts[..] else { panic!("{request}") };
    let (version, is_websocket) = match version {
        "1.1" => (http::Version::HTTP_11, false),
        "2" => (http::Version::HTTP_2, false),
        _ => (http::Version::HTTP_2, true),
    };
    let mut request = Request::builder().method(method).uri(target).version(version);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let mut router = Router::default();
    // A route on an RPC path, too: `google.api.http` allows any path.
    for (kind, template) in
        [("GET", "/v1/{id}"), ("POST", "/v1/{id}"), ("PUT", METHOD), ("GET", "/get")]
    {
        let kind = MethodKind::Exact(kind.parse().unwrap());
        router.insert(kind, Template::parse(template).unwrap(), ()).unwrap();
    }
    let options = DispatchOptions {
        tunnel_path: Some("/grpc".into()),
        packet_path: Some("/packets".into()),
        form_posts,
    };
    let head = RequestHead::new(&parts, is_websocket);
    dispatch(
        &options,
        &head,
        |path| (path == METHOD).then_some("Method"),
        |method, path| router.find(method, path).map(|found| found.index()),
    )
    .map_err(|error| {
        assert_eq!(error.allowed().is_some(), error.status() == 405, "{error}");
        error.status().as_u16()
    })
}

fn with_type(request: &str, content_type: &str) -> Outcome {
    outcome(request, &[("content-type", content_type)])
}

#[test]
fn each_row_of_content_types_decides() {
    let unary = |codec| Ok(Dispatch::ConnectUnary { method: "Method", codec });
    let stream = |codec| Ok(Dispatch::ConnectStream { method: "Method", codec });
    for (request, content_type, expected) in [
        ("POST /pkg.Service/Method 2", "application/grpc", Ok(Dispatch::Grpc)),
        ("POST /pkg.Service/Method 2", "Application/gRPC+proto; a=b", Ok(Dispatch::Grpc)),
        ("POST /unknown/Method 2", "application/grpc", Ok(Dispatch::Grpc)),
        ("POST /pkg.Service/Method 1.1", "application/grpc", Err(505)),
        ("GET /pkg.Service/Method 2", "application/grpc", Err(405)),
        ("POST /a 1.1", "application/grpc-web", Ok(Dispatch::GrpcWeb { is_text: false })),
        ("POST /a 2", "application/grpc-web+proto", Ok(Dispatch::GrpcWeb { is_text: false })),
        ("POST /a 2", "application/grpc-web-text", Ok(Dispatch::GrpcWeb { is_text: true })),
        ("POST /a 2", "application/grpc-web-text+proto", Ok(Dispatch::GrpcWeb { is_text: true })),
        ("DELETE /a 2", "application/grpc-web", Err(405)),
        ("POST /pkg.Service/Method 1.1", "application/connect+proto", stream(Codec::Proto)),
        ("POST /pkg.Service/Method 2", "application/connect+json", stream(Codec::Json)),
        ("PUT /pkg.Service/Method 2", "application/connect+json", Err(405)),
        ("POST /pkg.Service/Method 2", "application/connect+foo", Err(415)),
        ("POST /a 2", "application/connect+proto", Err(404)),
        ("POST /pkg.Service/Method 2", "application/proto", unary(Codec::Proto)),
        ("DELETE /pkg.Service/Method 2", "application/proto", Err(405)),
        ("POST /pkg.Service/Method 2", "application/json; charset=utf-8", unary(Codec::Json)),
        ("POST /pkg.Service/Method 2", "image/jpeg", Err(415)),
        ("POST /pkg.Service/Method 2", "text/plain", Err(415)),
        ("POST /pkg.Service/Method 2", "application/grpcfoo", Err(415)),
        ("POST /pkg.Service/Other 2", "application/json", Err(404)),
        ("DELETE /pkg.Service/Method 2", "application/json", Err(405)),
    ] {
        assert_eq!(with_type(request, content_type), expected, "{request} {content_type}");
    }
}

#[test]
fn a_body_must_have_one_type() {
    assert_eq!(outcome("POST /pkg.Service/Method 2", &[]), Err(415));
    let twice = [("content-type", "application/json"), ("content-type", "application/json")];
    assert_eq!(outcome("POST /pkg.Service/Method 2", &twice), Err(415));
}

#[test]
fn routes_come_before_json_on_an_rpc_path_and_after_connect() {
    for (request, content_type, expected) in [
        ("GET /v1/a 1.1", None, Ok(Dispatch::Rest(0))),
        ("HEAD /v1/a 1.1", None, Ok(Dispatch::Rest(0))),
        ("POST /v1/a 2", Some("application/json"), Ok(Dispatch::Rest(1))),
        ("POST /v1/a 2", Some("text/plain"), Ok(Dispatch::Rest(1))),
        ("PUT /pkg.Service/Method 2", Some("application/json"), Ok(Dispatch::Rest(2))),
        ("PUT /pkg.Service/Method 2", Some("application/proto"), Err(405)),
        ("DELETE /v1/a 2", None, Err(405)),
        ("GET /v2 2", None, Err(404)),
        ("GET /v1/%ff 2", None, Err(400)),
    ] {
        let headers: Vec<_> =
            content_type.map(|value| ("content-type", value)).into_iter().collect();
        assert_eq!(outcome(request, &headers), expected, "{request}");
    }
}

#[test]
fn forms_stand_for_other_requests_only_on_request() {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let put = ("x-http-method-override", "put");
    for (request, headers, with_option, without) in [
        ("POST /v1/a 2", &[form][..], Ok(Dispatch::Rest(1)), Ok(Dispatch::Rest(1))),
        ("POST /get 2", &[form], Ok(Dispatch::RestForm(3)), Err(405)),
        ("POST /pkg.Service/Method 2", &[form, put], Ok(Dispatch::RestForm(2)), Err(415)),
        ("POST /v1/a 2", &[form, put], Err(405), Ok(Dispatch::Rest(1))),
        ("POST /get 2", &[put], Err(405), Err(405)),
        ("POST /none 2", &[form], Err(404), Err(404)),
    ] {
        assert_eq!(outcome_with(true, request, headers), with_option, "{request}");
        assert_eq!(outcome_with(false, request, headers), without, "{request}");
    }
}

#[test]
fn connect_by_get_needs_message_and_encoding() {
    let get = Ok(Dispatch::ConnectGet { method: "Method" });
    for (query, expected) in [
        ("?encoding=json&message=%7B%7D", get.clone()),
        ("?message&x=1&encoding=proto&connect=v1", get),
        ("?message=a", Err(405)),
        ("?encoding=json", Err(405)),
        ("?xmessage=a&encoding=json", Err(405)),
        ("", Err(405)),
    ] {
        assert_eq!(outcome(&format!("GET {METHOD}{query} 2"), &[]), expected, "{query}");
    }
    assert_eq!(outcome("GET /v1/a?message=a&encoding=json 2", &[]), Ok(Dispatch::Rest(0)));
    assert_eq!(outcome(&format!("HEAD {METHOD}?message=a&encoding=json 2"), &[]), Err(405));
}

#[test]
fn each_row_of_websockets_decides() {
    let route = |route, method| Ok(Dispatch::JsonWebSocketRoute { route, method });
    for (target, subprotocols, expected) in [
        ("/any", Some("sockeye.grpc.v1"), Ok(Dispatch::SockeyeGrpc)),
        ("/any", Some("a, grpc-websockets"), Ok(Dispatch::GrpcWebSockets)),
        ("/any", Some("grpc-websockets, sockeye.grpc.v1"), Ok(Dispatch::GrpcWebSockets)),
        ("/grpc", None, Ok(Dispatch::Tunnel)),
        ("/grpc", Some("grpc"), Ok(Dispatch::Tunnel)),
        ("/v1/a", None, route(0, Method::GET)),
        ("/v1/a?method=POST", None, route(1, Method::POST)),
        ("/v1/a", Some("Bearer, token"), route(0, Method::GET)),
        ("/v1/a", Some("Bearer, grpc-websockets"), route(0, Method::GET)),
        ("/pkg.Service/Method", None, Ok(Dispatch::JsonWebSocketMethod("Method"))),
        ("/v1/a", Some("other"), Err(400)),
        ("/v1/a?method=A%20B", None, Err(400)),
        ("/v1/a?method=GET&method=GET", None, Err(400)),
        ("/v1/a?%zz", None, Err(400)),
        ("/v1/a?method=DELETE", None, Err(405)),
        ("/v1/%ff", None, Err(400)),
        ("/any", None, Err(404)),
    ] {
        let mut headers: Vec<_> =
            subprotocols.map(|value| ("sec-websocket-protocol", value)).into_iter().collect();
        let found = outcome(&format!("CONNECT {target} websocket"), &headers);
        assert_eq!(found, expected, "{target} over HTTP/2");
        headers.extend([("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")]);
        let found = outcome(&format!("GET {target} 1.1"), &headers);
        assert_eq!(found, expected, "{target} over HTTP/1.1");
    }
}

#[test]
fn other_requests_are_not_websockets() {
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    assert_eq!(outcome("GET /v1/a 2", &upgrade), Ok(Dispatch::Rest(0)));
    assert_eq!(outcome("POST /grpc 1.1", &upgrade), Err(404));
    assert_eq!(outcome("GET /grpc 1.1", &upgrade[..1]), Err(404));
    assert_eq!(outcome("GET /grpc websocket", &[]), Err(404));
}

#[test]
fn a_preflight_is_one_whatever_its_path() {
    let preflight = [("origin", "https://a"), ("access-control-request-method", "POST")];
    assert_eq!(outcome("OPTIONS /any 2", &preflight), Ok(Dispatch::Preflight));
    assert_eq!(outcome("OPTIONS /any 2", &preflight[..1]), Err(404));
    assert_eq!(outcome("OPTIONS /v1/a 2", &preflight[1..]), Err(405));
}

#[test]
fn an_rpc_path_allows_post() {
    let parts = Request::builder().method("DELETE").uri(METHOD).body(()).unwrap().into_parts().0;
    let head = RequestHead::new(&parts, false);
    let find_route = |_: &Method, _: &str| Err::<(), _>(RouteError::NotFound);
    let error = dispatch(&DispatchOptions::default(), &head, |_| Some(()), find_route).unwrap_err();
    assert_eq!(error.allowed().unwrap().header(), HeaderValue::from_static("POST"));
}
