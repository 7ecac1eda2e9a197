use http::Request;
use serde_json::json;
use sockeye_gateway::Gateway;
use sockeye_gateway::transcode::ParseOptions;
use sockeye_gateway_testing::Server;

use crate::support::{Fetched, ServedGateway, upstream};

async fn post(gateway: &ServedGateway, path: &str, override_: Option<&str>, form: &str) -> Fetched {
    let mut request =
        Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    if let Some(method) = override_ {
        request = request.header("x-http-method-override", method);
    }
    gateway.fetch(request.body(form.to_owned()).unwrap()).await
}

#[tokio::test]
async fn a_form_is_a_query_where_the_settings_allow_it() {
    let server = Server::start().await;
    let gateway = Gateway::builder().upstream(upstream(&server.url())).form_posts(true);
    let gateway = ServedGateway::start(gateway.build()).await;
    let fetched = post(&gateway, "/v1/echo/x?list=a", None, "number=7&list=b+c").await;
    assert_eq!((fetched.status, &fetched.json()["number"]), (200, &json!("7")), "{fetched:?}");
    assert_eq!(fetched.json()["list"], json!(["a", "b c"]));
    let fetched = post(&gateway, "/v1/echo/x", Some("get"), "number=8").await;
    assert_eq!((fetched.status, &fetched.json()["number"]), (200, &json!("8")));
    // A route with a body, and values that are none.
    assert_eq!(post(&gateway, "/v1/echo/x", Some("PUT"), "number=8").await.status, 400);
    assert_eq!(post(&gateway, "/v1/echo/x", None, "number=many").await.status, 400);
    assert_eq!(post(&gateway, "/v1/echo/x", None, "text=%zz").await.status, 400);
}

#[tokio::test]
async fn forms_are_refused_by_default() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    assert_eq!(post(&gateway, "/v1/echo/x", None, "number=7").await.status, 405);
    assert_eq!(post(&gateway, "/v1/echo", None, "number=7").await.status, 415);
    assert_eq!(server.echo.calls(), 0);
}

#[tokio::test]
async fn json_is_indented_on_request_whatever_the_body() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    assert!(!gateway.get("/v1/echo/x").await.text().contains('\n'));
    for query in ["pretty", "pretty=true", "pretty=1"] {
        let fetched = gateway.get(&format!("/v1/echo/x?{query}")).await;
        assert!(fetched.text().contains("\n  \"text\": \"x\""), "{fetched:?}");
    }
    let fetched = gateway.post("/v1/echo?pretty", r#"{"text":"x"}"#).await;
    assert!(fetched.text().contains("\n  \"text\": \"x\""), "{fetched:?}");
    assert!(!gateway.get("/v1/echo/x?pretty=false").await.text().contains('\n'));
}

#[tokio::test]
async fn strict_settings_refuse_unknown_names_in_query_and_body() {
    let server = Server::start().await;
    let strict = ParseOptions::default().ignore_unknown(false);
    let gateway = Gateway::builder().upstream(upstream(&server.url())).parse_options(strict);
    let gateway = ServedGateway::start(gateway.build()).await;
    assert_eq!(gateway.get("/v1/echo/x?number=1&pretty").await.status, 200);
    assert_eq!(gateway.get("/v1/echo/x?nubmer=1").await.status, 400);
    assert_eq!(gateway.post("/v1/echo", r#"{"nubmer":1}"#).await.status, 400);
    let lenient = ServedGateway::before(&server).await;
    assert_eq!(lenient.get("/v1/echo/x?nubmer=1").await.status, 200);
    assert_eq!(lenient.post("/v1/echo", r#"{"nubmer":1}"#).await.status, 200);
}
