//! A gateway beside the routes of an axum server, for clients with a key:
//!
//! ```text
//! cargo run -p sockeye-gateway --example axum_gateway -- http://127.0.0.1:50051
//! curl localhost:8080/hello
//! curl localhost:8080/package.Service/Method -H 'authorization: Bearer letmein' \
//!     -H content-type:application/json -d '{}'
//! ```

use std::error::Error;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::map_request;
use axum::routing::get;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use sockeye::upgrade::PeerAddr;
use sockeye_gateway::Gateway;
use sockeye_gateway::auth::{AuthorizeFuture, Authorized, Authorizer, CallHead};
use sockeye_gateway::status::{Code, Status};
use sockeye_gateway::upstream::{Upstream, UpstreamConfig};
use tokio::net::TcpListener;

/// Admits the calls of clients that know the key, in every dialect.
struct Key;

impl Authorizer for Key {
    fn authorize<'a>(&'a self, head: &'a CallHead<'a>) -> AuthorizeFuture<'a> {
        Box::pin(async move {
            if head.headers.get(AUTHORIZATION).is_none_or(|given| given != "Bearer letmein") {
                return Err(Status::new(Code::Unauthenticated, "the key is missing or wrong"));
            }
            let mut authorized = Authorized::default();
            authorized.metadata.insert("x-user", HeaderValue::from_static("friend"));
            Ok(authorized)
        })
    }
}

/// Tells the gateway the client's address, for its records, its limits and `x-forwarded-for`.
async fn add_peer(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(PeerAddr(peer));
    request
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: axum_gateway URL-OF-THE-UPSTREAM")?;
    let upstream = Upstream::new(UpstreamConfig::new(url.parse()?))?;
    let gateway = Gateway::builder().upstream(upstream).authorizer(Key).build();
    let router = Router::new()
        .route("/hello", get(async || "hello\n"))
        .fallback_service(gateway)
        .layer(map_request(add_peer));
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    println!("listening on http://{}/", listener.local_addr()?);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}
