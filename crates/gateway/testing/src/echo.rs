//! The service that the tests call.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prost::Message as _;
use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::{KeyAndValueRef, MetadataMap};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::proto::metadata_reply::Entry;
use crate::proto::{EchoMessage, Failure, MetadataReply, echo_server};

/// The service, whose clones share their counts.
#[derive(Clone, Debug)]
pub struct Echo {
    in_progress: watch::Sender<usize>,
    calls: Arc<AtomicUsize>,
}

impl Default for Echo {
    fn default() -> Self {
        Self { in_progress: watch::Sender::new(0), calls: Arc::default() }
    }
}

impl Echo {
    /// Returns the number of calls of `Wait` and `Stall` in progress, whose changes can be awaited.
    pub fn in_progress(&self) -> watch::Receiver<usize> {
        self.in_progress.subscribe()
    }

    /// Returns the number of calls of `Unary` so far.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn begin(&self) -> InProgress {
        self.in_progress.send_modify(|count| *count += 1);
        InProgress(self.in_progress.clone())
    }
}

/// A call in progress.
struct InProgress(watch::Sender<usize>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

type Replies = Pin<Box<dyn Stream<Item = Result<EchoMessage, Status>> + Send>>;

fn status(failure: &Failure) -> Status {
    let Failure { code, message, detail, .. } = failure;
    let details = detail.iter().map(prost_any).collect();
    let details = RpcStatus { code: *code, message: message.clone(), details }.encode_to_vec();
    let details = if detail.is_some() { details } else { Vec::new() };
    let mut status = Status::with_details(Code::from(*code), message.clone(), details.into());
    status.metadata_mut().insert("x-failure", tonic::metadata::MetadataValue::from_static("yes"));
    status
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

fn prost_any(detail: &EchoMessage) -> Any {
    let type_url = "type.googleapis.com/sockeye.gateway.testing.EchoMessage".to_owned();
    Any { type_url, value: detail.encode_to_vec() }
}

fn entries(metadata: &MetadataMap) -> Vec<Entry> {
    let entry = |name: &str, value: String| Entry { name: name.to_owned(), value };
    let entries = metadata.iter().map(|pair| match pair {
        KeyAndValueRef::Ascii(name, value) => {
            entry(name.as_str(), String::from_utf8_lossy(value.as_encoded_bytes()).into_owned())
        }
        KeyAndValueRef::Binary(name, value) => {
            entry(name.as_str(), format!("{:?}", value.to_bytes().unwrap_or_default()))
        }
    });
    entries.collect()
}

#[tonic::async_trait]
impl echo_server::Echo for Echo {
    type RepeatStream = Replies;
    type ChatStream = Replies;
    type StallStream = Replies;
    type FailStream = Replies;

    async fn unary(&self, request: Request<EchoMessage>) -> Result<Response<EchoMessage>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(request.into_inner()))
    }

    async fn lookup(&self, request: Request<EchoMessage>) -> Result<Response<EchoMessage>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn repeat(&self, request: Request<EchoMessage>) -> Result<Response<Replies>, Status> {
        let message = request.into_inner();
        let replies =
            (0..message.number).map(move |number| Ok(EchoMessage { number, ..message.clone() }));
        Ok(Response::new(Box::pin(tokio_stream::iter(replies))))
    }

    async fn collect(
        &self,
        request: Request<Streaming<EchoMessage>>,
    ) -> Result<Response<EchoMessage>, Status> {
        let (mut messages, mut all) = (request.into_inner(), EchoMessage::default());
        while let Some(message) = messages.message().await? {
            all.text.push_str(&message.text);
            all.number += 1;
        }
        Ok(Response::new(all))
    }

    async fn chat(
        &self,
        request: Request<Streaming<EchoMessage>>,
    ) -> Result<Response<Replies>, Status> {
        Ok(Response::new(Box::pin(request.into_inner())))
    }

    async fn wait(&self, request: Request<EchoMessage>) -> Result<Response<EchoMessage>, Status> {
        let _call = self.begin();
        let message = request.into_inner();
        let millis = u64::try_from(message.number).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Ok(Response::new(message))
    }

    async fn stall(&self, request: Request<EchoMessage>) -> Result<Response<Replies>, Status> {
        let call = self.begin();
        let replies = tokio_stream::once(Ok(request.into_inner()));
        let replies = replies.chain(tokio_stream::pending()).map(move |reply| {
            let _call = &call;
            reply
        });
        Ok(Response::new(Box::pin(replies)))
    }

    async fn fail(&self, request: Request<Failure>) -> Result<Response<Replies>, Status> {
        let failure = request.into_inner();
        if failure.number == 0 {
            return Err(status(&failure));
        }
        let replies = (0..failure.number)
            .map(|number| Ok(EchoMessage { number: number.into(), ..EchoMessage::default() }))
            .chain([Err(status(&failure))]);
        let replies: Vec<_> = replies.collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(replies))))
    }

    async fn fail_unary(&self, request: Request<Failure>) -> Result<Response<EchoMessage>, Status> {
        Err(status(request.get_ref()))
    }

    async fn metadata(
        &self,
        request: Request<EchoMessage>,
    ) -> Result<Response<MetadataReply>, Status> {
        let mut response = Response::new(MetadataReply { entries: entries(request.metadata()) });
        let value = tonic::metadata::MetadataValue::from_static("from the server");
        response.metadata_mut().insert("x-echo", value);
        let secret = tonic::metadata::MetadataValue::from_static("not for browsers");
        response.metadata_mut().insert("x-internal", secret);
        let bytes = tonic::metadata::MetadataValue::from_bytes(&[0, 255]);
        response.metadata_mut().insert_bin("x-echo-bin", bytes);
        Ok(response)
    }
}
