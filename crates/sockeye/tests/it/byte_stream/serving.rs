//! Servers that upgrade requests to byte streams.

use axum::Router;
use axum::routing::any_service;
use sockeye::byte_stream::{Accept, ByteStream};
use tokio::net::TcpListener;

/// Serves a route by axum, and returns its URL. The server ends with the test.
pub(crate) async fn serve(accept: Accept) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/tunnel", listener.local_addr().unwrap());
    let app = Router::new().route("/tunnel", any_service(accept));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// Returns both ends of a stream over TCP: the client's, then the server's.
pub(crate) async fn pair() -> (ByteStream, ByteStream) {
    let (mut listener, accept) = sockeye::byte_stream::listener();
    let url = serve(accept).await;
    let client = sockeye::connect(url).await.unwrap().into_byte_stream();
    (client, listener.accept().await.unwrap())
}
