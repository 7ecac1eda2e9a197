//! A service with one method of each of the four kinds.

use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::{Stream, StreamExt};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::counts::Counts;
use crate::proto::greeter_server;
use crate::proto::{HelloReply, HelloRequest, HellosRequest};

/// The greeter service: greets the caller, and returns the metadata whose keys begin with `x-`.
#[derive(Debug)]
pub struct Greeter {
    counts: Arc<Counts>,
}

impl Greeter {
    pub(super) fn new(counts: Arc<Counts>) -> Self {
        Self { counts }
    }
}

type Replies = Pin<Box<dyn Stream<Item = Result<HelloReply, Status>> + Send>>;

#[tonic::async_trait]
impl greeter_server::Greeter for Greeter {
    type SayHellosStream = Replies;
    type ChatStream = Replies;

    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        let _guard = self.counts.begin();
        let (metadata, _, hello) = request.into_parts();
        Ok(with_metadata(hello_to(&hello.name), metadata))
    }

    async fn say_hellos(
        &self,
        request: Request<HellosRequest>,
    ) -> Result<Response<Replies>, Status> {
        let (metadata, _, request) = request.into_parts();
        let replies =
            (0..request.count).map(move |n| Ok(hello_to(&format!("{} {n}", request.name))));
        let replies = self.counts.begin().with(tokio_stream::iter(replies));
        Ok(with_metadata(Box::pin(replies), metadata))
    }

    async fn collect(
        &self,
        request: Request<Streaming<HelloRequest>>,
    ) -> Result<Response<HelloReply>, Status> {
        let _guard = self.counts.begin();
        let (metadata, _, mut hellos) = request.into_parts();
        let mut names = Vec::new();
        while let Some(hello) = hellos.message().await? {
            names.push(hello.name);
        }
        Ok(with_metadata(hello_to(&names.join(" and ")), metadata))
    }

    async fn chat(
        &self,
        request: Request<Streaming<HelloRequest>>,
    ) -> Result<Response<Replies>, Status> {
        let (metadata, _, hellos) = request.into_parts();
        let replies = hellos.map(|hello| Ok(hello_to(&hello?.name)));
        let replies = self.counts.begin().with(replies);
        Ok(with_metadata(Box::pin(replies), metadata))
    }
}

fn hello_to(name: &str) -> HelloReply {
    HelloReply { message: format!("Hello {name}!") }
}

fn with_metadata<T>(answer: T, mut metadata: MetadataMap) -> Response<T> {
    let mut headers = std::mem::take(&mut metadata).into_headers();
    let foreign: Vec<_> =
        headers.keys().filter(|name| !name.as_str().starts_with("x-")).cloned().collect();
    for name in foreign {
        headers.remove(name);
    }
    let mut response = Response::new(answer);
    *response.metadata_mut() = MetadataMap::from_headers(headers);
    response
}
