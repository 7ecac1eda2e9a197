use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::{get, post};
use http::{Request, StatusCode};
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper_util::service::TowerToHyperService;

use super::serving::pair;

#[tokio::test]
async fn http_1_1_runs_through_it() {
    let (ours, theirs) = pair().await;
    let app = Router::new().route("/", get(async || "hello")).route(
        "/echo",
        post(async |body: Body| body).layer(axum::extract::DefaultBodyLimit::disable()),
    );
    let serving = tokio::spawn(
        server::Builder::new().serve_connection(theirs, TowerToHyperService::new(app)),
    );
    let (mut requests, connection) = client::handshake(ours).await.unwrap();
    let connection = tokio::spawn(connection);

    for length in [0, 1, 70_000, 3_000_000] {
        let request = Request::get("/").header("host", "tunnel").body(Body::empty()).unwrap();
        let answer = requests.send_request(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(to_bytes(Body::new(answer.into_body()), 100).await.unwrap(), "hello");

        let body = vec![b'x'; length];
        let request =
            Request::post("/echo").header("host", "tunnel").body(Body::from(body.clone()));
        let answer = requests.send_request(request.unwrap()).await.unwrap();
        let echoed = to_bytes(Body::new(answer.into_body()), usize::MAX).await.unwrap();
        assert!(echoed == body, "{length} bytes came back changed");
    }

    drop(requests);
    connection.await.unwrap().unwrap();
    serving.await.unwrap().unwrap();
}
