use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use sockeye_proto::Role;

use super::Accept;
use super::accept::enqueue;
use crate::metrics::RoleMetrics;
use crate::upgrade::{self, Refusal};

impl Accept {
    /// Answers a request. After an upgrade, the stream is passed to the listener once the answer
    /// was sent.
    fn answer<B>(&self, request: &mut Request<B>) -> Response<String> {
        if self.queue.is_closed() {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            RoleMetrics::of(Role::Server).count_refused_with(Some(status));
            return Refusal::new(status, "no more streams are accepted\n").into_response();
        }
        let (response, upgrading) = match upgrade::hyper(request, &self.options) {
            Ok(upgraded) => upgraded,
            Err(error) => return Refusal::from(&error).into_response(),
        };
        let queue = self.queue.clone();
        tokio::spawn(async move {
            match upgrading.await {
                Ok(ws) => drop(enqueue(&queue, ws.into_byte_stream()).await),
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "upgrade failed");
                }
            }
        });
        response
    }
}

impl<B> hyper::service::Service<Request<B>> for Accept {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn call(&self, mut request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&mut request)))
    }
}

impl<B> tower_service::Service<Request<B>> for Accept {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&mut request)))
    }
}
