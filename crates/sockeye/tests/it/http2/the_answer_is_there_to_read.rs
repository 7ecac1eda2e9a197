use std::convert::Infallible;

use http::{HeaderValue, Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockeye::upgrade::{self, Options};
use tokio::io::duplex;

use super::serving;

#[tokio::test]
async fn the_headers_of_the_answer_are_there() {
    let (client, server) = duplex(16 * 1024);
    let service = service_fn(|mut request: Request<Incoming>| async move {
        let (mut response, upgrading) =
            upgrade::hyper::<_, String>(&mut request, &Options::new()).unwrap();
        response.headers_mut().insert("set-cookie", HeaderValue::from_static("a=b"));
        tokio::spawn(async move { serving::echo(upgrading.await.unwrap(), String::new()).await });
        Ok::<_, Infallible>(response)
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(server), service);
    tokio::spawn(connection);
    let http2 = serving::client().handshake_http2(client).await.unwrap();
    let ws = http2.open("/").await.unwrap();
    let response = ws.response().unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
    assert_eq!(response.headers()["set-cookie"], "a=b");
}
