//! A gRPC server that answers every unary call with its request, for measurements of the gateway:
//!
//! ```text
//! cargo run --release -p sockeye-gateway --example echo_upstream -- 127.0.0.1:50051
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// The body of a request, and then the trailers of a call that succeeded.
struct Echo(Option<Incoming>);

impl http_body::Body for Echo {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(request) = &mut self.0 else { return Poll::Ready(None) };
        while let Some(frame) = ready!(Pin::new(&mut *request).poll_frame(cx)?) {
            // The end of a request may be an empty frame. Envoy ends a connection with two such in
            // a row.
            if frame.data_ref().is_some_and(|data| !data.is_empty()) {
                return Poll::Ready(Some(Ok(frame)));
            }
        }
        self.0 = None;
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Echo>, Infallible> {
    let mut response = Response::new(Echo(Some(request.into_body())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: echo_upstream ADDRESS")?;
    let listener = TcpListener::bind(&address).await?;
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let builder = http2::Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection(TokioIo::new(stream), service_fn(echo));
            if let Err(error) = connection.await {
                eprintln!("the connection from {peer} failed: {error}");
            }
        });
    }
}
