//! A service that puts a connection under stress.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Request, Response, Status, Streaming};

use super::counts::Counts;
use crate::proto::test_service_server;
use crate::proto::{
    BarrierRequest, Bytes, DownloadRequest, Empty, Failure, ReportReply, UploadReply,
};
use crate::yield_once;

/// The test service: answers correctly, with errors, late or never, as requested.
#[derive(Debug)]
pub struct TestService {
    counts: Arc<Counts>,
    present: watch::Sender<u32>,
    reads: watch::Sender<bool>,
}

impl TestService {
    pub(super) fn new(counts: Arc<Counts>) -> Self {
        Self { counts, present: watch::channel(0).0, reads: watch::channel(false).0 }
    }
}

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl test_service_server::TestService for TestService {
    type StallStream = Replies<Empty>;
    type DownloadStream = Replies<Bytes>;

    async fn echo(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let _guard = self.counts.begin();
        Ok(Response::new(request.into_inner()))
    }

    async fn fail(&self, request: Request<Failure>) -> Result<Response<Empty>, Status> {
        let Failure { code, message, details } = request.into_inner();
        let mut status = Status::with_details(Code::from(code), message, details.into());
        status.metadata_mut().insert("x-failure", "asked for".parse().expect("ASCII"));
        Err(status)
    }

    async fn hang(&self, _request: Request<Empty>) -> Result<Response<Empty>, Status> {
        let _guard = self.counts.begin();
        pending().await
    }

    async fn stall(&self, _request: Request<Empty>) -> Result<Response<Replies<Empty>>, Status> {
        let replies = tokio_stream::once(Ok(Empty {})).chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(self.counts.begin().with(replies))))
    }

    async fn barrier(&self, request: Request<BarrierRequest>) -> Result<Response<Empty>, Status> {
        let size = request.into_inner().size;
        self.present.send_modify(|present| *present += 1);
        let mut present = self.present.subscribe();
        let met = present.wait_for(|present| *present >= size).await;
        met.map(|_| Response::new(Empty {})).map_err(|_| Status::aborted("the server stops"))
    }

    async fn download(
        &self,
        request: Request<DownloadRequest>,
    ) -> Result<Response<Replies<Bytes>>, Status> {
        let DownloadRequest { length, count, piecemeal } = request.into_inner();
        let counts = Arc::clone(&self.counts);
        let content = vec![0x5a; length as usize];
        let last = if count == 0 { u64::MAX } else { count };
        let replies = (0..last).map(move |_| {
            counts.count_sent(content.len());
            Ok(Bytes { content: content.clone() })
        });
        let replies = tokio_stream::iter(replies).then(move |reply| async move {
            if piecemeal {
                yield_once().await;
            }
            reply
        });
        let replies = self.counts.begin().with(replies);
        Ok(Response::new(Box::pin(replies)))
    }

    async fn upload(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<UploadReply>, Status> {
        let _guard = self.counts.begin();
        let mut reads = self.reads.subscribe();
        reads.wait_for(|reads| *reads).await.map_err(|_| Status::aborted("the server stops"))?;
        let (mut messages, mut count) = (request.into_inner(), 0);
        while messages.message().await?.is_some() {
            count += 1;
        }
        Ok(Response::new(UploadReply { count }))
    }

    async fn start_reading(&self, _request: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.reads.send_replace(true);
        Ok(Response::new(Empty {}))
    }

    async fn report(&self, _request: Request<Empty>) -> Result<Response<ReportReply>, Status> {
        Ok(Response::new(ReportReply {
            in_progress: self.counts.in_progress(),
            sent_bytes: self.counts.sent_bytes(),
            sent_messages: self.counts.sent_messages(),
        }))
    }
}
