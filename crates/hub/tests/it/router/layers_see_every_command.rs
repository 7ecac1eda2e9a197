use std::error::Error;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use sockeye_hub::router::{
    Content, Data, Failure, Next, NoReply, Reply, Request, Route, Router, Text, from_fn,
};
use tower_layer::Layer;
use tower_service::Service;

use crate::router::connection::connect;

#[tokio::test]
async fn the_last_one_first() {
    let add = |mark: &'static str| {
        from_fn(async move |request: Request, next: Next| match next.run(request).await {
            Reply::Content(Content::Text(text)) => {
                Reply::Content(Content::Text(format!("{text}{mark}").into()))
            }
            Reply::Failure(failure) => {
                Reply::Failure(Failure::new(failure.code(), format!("{}{mark}", failure.message())))
            }
            other => other,
        })
    };
    let router =
        Router::new(()).layer(add("a")).on("echo", async |text: Text| text).layer(add("b"));
    let mut connected = connect(&router).await;
    connected.expect(r#"{"id":1,"cmd":"echo","data":"x"}"#, r#"{"id":1,"data":"xab"}"#).await;
    // Unknown ones as well.
    let unknown = r#"{"id":1,"error":{"code":501,"message":"unknown command: whatab"}}"#;
    connected.expect(r#"{"id":1,"cmd":"what"}"#, unknown).await;
}

#[derive(Clone)]
struct User(String);

#[tokio::test]
async fn and_may_answer_change_or_add_to_it() {
    let layer = from_fn(async |mut request: Request, next: Next| {
        let name = request.command().to_string();
        match name.as_str() {
            "refuse" => return Err(Failure::forbidden("not here")),
            "swallow" => return Ok(Reply::None),
            "replace" => request.set_content(Content::Text("replaced".into())),
            _ => {}
        }
        assert!(request.set_data(User(name)).is_none());
        Ok(next.run(request).await)
    });
    let router = Router::new(())
        .fallback(async |Data(user): Data<User>, Text(text): Text| format!("{}: {text}", user.0))
        .layer(layer);
    let mut connected = connect(&router).await;
    connected.send(r#"{"id":0,"cmd":"swallow"}"#).await;
    let refused = r#"{"id":1,"error":{"code":403,"message":"not here"}}"#;
    connected.expect(r#"{"id":1,"cmd":"refuse"}"#, refused).await;
    let reply = r#"{"id":1,"data":"replace: replaced"}"#;
    connected.expect(r#"{"id":1,"cmd":"replace","data":"x"}"#, reply).await;
    connected.expect(r#"{"id":1,"cmd":"a","data":"x"}"#, r#"{"id":1,"data":"a: x"}"#).await;
}

/// A layer of tower that serves so many commands, over all connections.
struct Quota(usize);

#[derive(Clone)]
struct QuotaService {
    left: Arc<AtomicUsize>,
    inner: Route,
}

impl Layer<Route> for Quota {
    type Service = QuotaService;

    fn layer(&self, inner: Route) -> QuotaService {
        QuotaService { left: Arc::new(AtomicUsize::new(self.0)), inner }
    }
}

impl Service<Request> for QuotaService {
    type Response = Reply;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Reply, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let take = |left: usize| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Poll::Ready(Ok(())),
            Err(_) => Poll::Ready(Err("used up".into())),
        }
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let reply = self.inner.call(request);
        Box::pin(async move { Ok(reply.await?) })
    }
}

#[tokio::test]
async fn one_of_tower_has_one_state_for_all_connections() {
    let router = Router::new(()).on("a", async || ()).layer(Quota(2));
    for reply in [
        r#"{"id":1,"data":null}"#,
        r#"{"id":1,"data":null}"#,
        r#"{"id":1,"error":{"code":500,"message":"internal error"}}"#,
    ] {
        connect(&router).await.expect(r#"{"id":1,"cmd":"a"}"#, reply).await;
    }
}

/// A layer whose replies and errors are of other types.
#[derive(Clone)]
struct Silence;

impl<S> Layer<S> for Silence {
    type Service = Self;

    fn layer(&self, _: S) -> Self {
        Self
    }
}

impl Service<Request> for Silence {
    type Response = NoReply;
    type Error = std::fmt::Error;
    type Future = Ready<Result<NoReply, std::fmt::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::fmt::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        ready(if request.content().is_empty() { Ok(NoReply) } else { Err(std::fmt::Error) })
    }
}

#[tokio::test]
async fn with_replies_and_errors_of_any_type() {
    let mut connected = connect(&Router::new(()).layer(Silence)).await;
    connected.send(r#"{"id":1,"cmd":"a"}"#).await;
    let failed = r#"{"id":2,"error":{"code":500,"message":"internal error"}}"#;
    connected.expect(r#"{"id":2,"cmd":"a","data":1}"#, failed).await;
}
