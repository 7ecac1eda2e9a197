use http::Request;
use sockeye::upgrade::OriginPolicy;
use sockeye_gateway::Gateway;
use sockeye_gateway_testing::Server;

use crate::support::{Fetched, ServedGateway, upstream};

/// Gets a path as a browser does for a page of another site.
async fn get(gateway: &ServedGateway, path: &str, mode: &str, destination: &str) -> Fetched {
    let request = Request::get(path)
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", mode)
        .header("sec-fetch-dest", destination);
    gateway.fetch(request.body(String::new()).unwrap()).await
}

#[tokio::test]
async fn images_and_links_of_other_sites_reach_no_route() {
    let server = Server::start().await;
    let builder = Gateway::builder().upstream(upstream(&server.url())).console(true).openapi(true);
    let gateway = ServedGateway::start(builder.build()).await;
    for (mode, destination) in
        [("no-cors", "image"), ("navigate", "document"), ("navigate", "iframe")]
    {
        let fetched = get(&gateway, "/v1/echo/x", mode, destination).await;
        assert_eq!(fetched.status, 403, "{fetched:?}");
        assert!(fetched.text().contains("pages of other origins may not call"), "{fetched:?}");
        assert!(!fetched.headers.contains_key("access-control-allow-origin"), "{fetched:?}");
    }
    assert_eq!(server.echo.calls(), 0);
    // The page itself, and a user who types the address.
    for site in ["same-origin", "none"] {
        let request = Request::get("/v1/echo/x").header("sec-fetch-site", site);
        let fetched = gateway.fetch(request.body(String::new()).unwrap()).await;
        assert_eq!(fetched.status, 200, "{fetched:?}");
    }

    for path in ["/console/", "/openapi.json"] {
        assert_eq!(get(&gateway, path, "navigate", "document").await.status, 200, "{path}");
        assert_eq!(get(&gateway, path, "no-cors", "script").await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_gateway_for_any_origin_accepts_them() {
    let server = Server::start().await;
    let builder = Gateway::builder().upstream(upstream(&server.url())).origins(OriginPolicy::any());
    let gateway = ServedGateway::start(builder.build()).await;
    assert_eq!(get(&gateway, "/v1/echo/x", "no-cors", "image").await.status, 200);
}
