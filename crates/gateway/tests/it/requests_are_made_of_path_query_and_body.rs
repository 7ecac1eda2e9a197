use std::time::Duration;

use http::Request;
use serde_json::{Value, json};
use sockeye_gateway::deadline::TimeoutLimits;
use sockeye_gateway::rules::RuleFile;
use sockeye_gateway::transcode::ParseOptions;
use sockeye_gateway::{Builder, Gateway};
use sockeye_gateway_testing::Server;

use crate::support::{Fetched, ServedGateway, upstream, wait_for};

const RULES: &str = r#"
[[http.rules]]
selector = "sockeye.gateway.testing.Echo.Unary"
post = "/t/number/{number}"
body = "*"
additional_bindings = [
    { post = "/t/list", body = "list", response_body = "list" },
    { post = "/t/text", body = "text", response_body = "text" },
    { post = "/t/data", body = "data", response_body = "number" },
    { get = "/t/unknown/{nothing}" },
    { get = "/t/list/{list}" },
    { get = "/t/deep/{child.child.text=a/*/**}" },
]
"#;

async fn serve(configure: impl Fn(Builder) -> Builder) -> (Server, ServedGateway) {
    let server = Server::start().await;
    let rules = RuleFile::from_toml(RULES).unwrap();
    let gateway = configure(Gateway::builder().upstream(upstream(&server.url())).rules(rules));
    (server, ServedGateway::start(gateway.build()).await)
}

async fn put(gateway: &ServedGateway, target: &str, body: &str) -> Fetched {
    let request = Request::put(target).header("content-type", "application/json");
    gateway.fetch(request.body(body.to_owned()).unwrap()).await
}

#[tokio::test]
async fn the_path_wins_over_the_body_and_the_body_over_the_query() {
    let (_server, gateway) = serve(|gateway| gateway).await;
    let fetched = gateway.post("/t/number/0", r#"{"number":"7","text":"x"}"#).await;
    assert_eq!((&fetched.json()["number"], &fetched.json()["text"]), (&json!("0"), &json!("x")));
    let fetched = put(&gateway, "/v1/echo/a?child.text=q&text=b", r#"{"text":"c"}"#).await;
    assert_eq!(
        (&fetched.json()["child"]["text"], &fetched.json()["text"]),
        (&json!("c"), &json!("a"))
    );
    // A body that gives the whole request leaves nothing to the query.
    let fetched = gateway.post("/v1/echo?number=5&number=x", r#"{"text":"x"}"#).await;
    assert_eq!((fetched.status, &fetched.json()["number"]), (200, &json!("0")));
}

#[tokio::test]
async fn no_body_is_an_empty_message() {
    let (_server, gateway) = serve(|gateway| gateway).await;
    for (content_type, body) in [(Some("application/json"), ""), (None, ""), (None, "  ")] {
        let mut request = Request::post("/v1/echo");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let fetched = gateway.fetch(request.body(body.to_owned()).unwrap()).await;
        assert_eq!((fetched.status, &fetched.json()["text"]), (200, &json!("")), "{body:?}");
    }
    let fetched = put(&gateway, "/v1/echo/a", "").await;
    assert_eq!((fetched.status, &fetched.json()["child"]), (200, &Value::Null));
}

#[tokio::test]
async fn lists_and_scalars_are_bodies() {
    let (_server, gateway) = serve(|gateway| gateway).await;
    let fetched = gateway.post("/t/list", r#"["a","b"]"#).await;
    assert_eq!((fetched.status, fetched.json()), (200, json!(["a", "b"])));
    let fetched = gateway.post("/t/text", r#""just text""#).await;
    assert_eq!((fetched.status, fetched.json()), (200, json!("just text")));
    let fetched = gateway.post("/t/data?number=-3", r#""AAE=""#).await;
    assert_eq!((fetched.status, fetched.json()), (200, json!("-3")));
    assert_eq!(gateway.post("/t/list", r#"{"list":[]}"#).await.status, 400);
    assert_eq!(gateway.post("/t/text", "5").await.status, 400);
}

#[tokio::test]
async fn a_rule_for_fields_that_do_not_exist_leaves_the_others() {
    let (_server, gateway) = serve(|gateway| gateway).await;
    assert_eq!(gateway.get("/t/unknown/x").await.status, 404);
    // A list takes no variable.
    assert_eq!(gateway.get("/t/list/x").await.status, 404);
    assert_eq!(gateway.post("/t/text", r#""x""#).await.status, 200);
    let fetched = gateway.get("/t/deep/a/b%20c/d%2Fe").await;
    assert_eq!(fetched.json()["child"]["child"]["text"], "a/b c/d%2Fe");
}

#[tokio::test]
async fn a_variable_of_another_type_is_refused_with_and_without_a_body() {
    let (server, gateway) = serve(|gateway| gateway).await;
    for body in ["", "{}", r#"{"text":"x"}"#] {
        let fetched = gateway.post("/t/number/abc", body).await;
        assert_eq!((fetched.status, &fetched.json()["code"]), (400, &json!(3)), "{body}");
    }
    assert_eq!(gateway.get("/v1/wait/1.5").await.status, 400);
    assert_eq!(server.echo.calls(), 0);
}

#[tokio::test]
async fn reserved_characters_are_data_in_one_segment() {
    let (_server, gateway) = serve(|gateway| gateway).await;
    for (target, text) in [
        ("/v1/echo/http%3A%2F%2Fexample.com%2Fa%3Fb", "http://example.com/a?b"),
        ("/v1/echo/a%252Fb", "a%2Fb"),
        ("/v1/echo/a+b", "a+b"),
        ("/v1/echo/a:b", "a:b"),
        ("/v1/echo/a%3Achild", "a:child"),
    ] {
        let fetched = gateway.get(target).await;
        assert_eq!((fetched.status, &fetched.json()["text"]), (200, &json!(text)), "{target}");
    }
}

#[tokio::test]
async fn unknown_names_are_ignored_and_in_strict_bodies_refused() {
    let (_server, gateway) = serve(|gateway| gateway).await;
    assert_eq!(gateway.get("/v1/echo/x?zzz=1&child.zzz=2").await.status, 200);
    assert_eq!(gateway.post("/v1/echo", r#"{"zzz":{"a":[1]}}"#).await.status, 200);
    let strict = ParseOptions::default().ignore_unknown(false);
    let (_server, gateway) = serve(|gateway| gateway.parse_options(strict.clone())).await;
    let fetched = gateway.post("/v1/echo", r#"{"zzz":1}"#).await;
    assert_eq!(fetched.status, 400);
    assert!(fetched.json()["message"].as_str().unwrap().contains("zzz"));
}

#[tokio::test]
async fn responses_have_all_fields_and_numbers_of_64_bits_as_text() {
    let (_server, gateway) = serve(|gateway| gateway).await;
    let fetched = gateway.get("/v1/echo/x?number=9007199254740993").await;
    let expected =
        json!({"text": "x", "number": "9007199254740993", "data": "", "child": null, "list": []});
    assert_eq!(fetched.json(), expected);
    assert!(!fetched.text().contains('\n'));
    let fetched = gateway.get("/v1/echo/x?pretty").await;
    assert!(fetched.text().contains('\n'), "{fetched:?}");
    assert_eq!(fetched.json()["text"], "x");
    assert!(!gateway.get("/v1/echo/x?pretty=false").await.text().contains('\n'));
}

#[tokio::test]
async fn errors_of_requests_are_json_and_tell_nothing_of_the_parser() {
    let (_server, gateway) = serve(|gateway| gateway).await;
    for (target, body) in [
        ("/v1/echo", r#"{"text":"#),
        ("/v1/echo", r#"{"number":"9223372036854775808"}"#),
        ("/v1/echo", r#"{"data":"*"}"#),
        ("/v1/echo", r#"{"text":"a","text":"b"}"#),
        ("/t/list", "[1]"),
    ] {
        let fetched = gateway.post(target, body).await;
        assert_eq!((fetched.status, &fetched.json()["code"]), (400, &json!(3)), "{body}");
        assert_eq!(fetched.headers["content-type"], "application/json");
        let error = fetched.json();
        let message = error["message"].as_str().unwrap();
        for internal in ["serde", "Rust", "line 1", "::", "Some(", "transcode"] {
            assert!(!message.contains(internal), "{message}");
        }
    }
}

#[tokio::test]
async fn a_response_over_the_limit_is_an_error_and_no_empty_success() {
    let (_server, gateway) = serve(|gateway| gateway.max_message_length(100)).await;
    // Each quote takes two bytes of JSON.
    let fetched = gateway.get(&format!("/v1/echo/{}", "%22".repeat(60))).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (429, &json!(8)));
}

#[tokio::test]
async fn timeouts_are_limited_by_the_gateway() {
    let max = TimeoutLimits { default: None, max: Some(Duration::from_millis(100)) };
    let (server, gateway) = serve(|gateway| gateway.timeouts(max)).await;
    assert_eq!(gateway.get("/v1/wait/60000").await.status, 504);
    let request = Request::get("/v1/wait/60000").header("x-server-timeout", "3600");
    assert_eq!(gateway.fetch(request.body(String::new()).unwrap()).await.status, 504);
    wait_for(server.echo.in_progress(), 0).await;
}
