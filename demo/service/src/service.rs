use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::time::{Instant, MissedTickBehavior};
use tonic::{Request, Response, Status, Streaming};

use crate::chat::Room;
use crate::length::check_length;
use crate::upload;
use crate::v1::demo_server::Demo;
use crate::v1::{
    ChatReply, ChatRequest, HelloReply, HelloRequest, TickReply, TickRequest, UploadReply,
    UploadRequest,
};

/// The server of the demo. Clones share the chat room.
#[derive(Clone, Debug, Default)]
pub struct Service {
    room: Room,
}

/// Maximum length of a name, in bytes.
const MAX_NAME: usize = 256;

/// Allowed tick intervals, in milliseconds: the shortest is what timers can keep.
const INTERVALS: std::ops::RangeInclusive<u32> = 1..=60_000;

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Demo for Service {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        let name = request.into_inner().name;
        check_length("name", name.len(), 0..=MAX_NAME)?;
        let name = if name.is_empty() { "stranger" } else { &name };
        Ok(Response::new(HelloReply { greeting: format!("Hello, {name}") }))
    }

    type TickStream = Replies<TickReply>;

    async fn tick(
        &self,
        request: Request<TickRequest>,
    ) -> Result<Response<Self::TickStream>, Status> {
        let milliseconds = request.into_inner().interval_milliseconds;
        if !INTERVALS.contains(&milliseconds) {
            return Err(Status::invalid_argument(format!(
                "interval_milliseconds is {milliseconds}; it must be from {} to {}",
                INTERVALS.start(),
                INTERVALS.end(),
            )));
        }
        let interval = Duration::from_millis(milliseconds.into());
        let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
        // A caller that is too slow gets fewer ticks, not a burst of old ones.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let replies = stream::unfold((ticks, 1), |(mut ticks, number)| async move {
            ticks.tick().await;
            Some((Ok(TickReply { number }), (ticks, number + 1)))
        });
        Ok(Response::new(Box::pin(replies)))
    }

    async fn upload(
        &self,
        request: Request<Streaming<UploadRequest>>,
    ) -> Result<Response<UploadReply>, Status> {
        upload::receive(request.into_inner()).await.map(Response::new)
    }

    type ChatStream = Replies<ChatReply>;

    async fn chat(
        &self,
        request: Request<Streaming<ChatRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        Ok(Response::new(Box::pin(self.room.join(request.into_inner()))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use futures_util::StreamExt;
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn a_stranger_is_greeted_and_a_long_name_is_not() {
        let greet = |name: String| async {
            Service::default().say_hello(Request::new(HelloRequest { name })).await
        };
        let greeting = |reply: Response<HelloReply>| reply.into_inner().greeting;
        assert_eq!(greeting(greet("Ada".into()).await.unwrap()), "Hello, Ada");
        assert_eq!(greeting(greet(String::new()).await.unwrap()), "Hello, stranger");
        let status = greet("x".repeat(MAX_NAME + 1)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "name has 257 bytes; it may have from 0 to 256");
    }

    #[tokio::test(start_paused = true)]
    async fn ticks_come_at_the_interval_asked_for() {
        let tick = |interval_milliseconds| async move {
            Service::default().tick(Request::new(TickRequest { interval_milliseconds })).await
        };
        let begin = Instant::now();
        let mut ticks = tick(250).await.unwrap().into_inner();
        for number in 1..=4 {
            assert_eq!(ticks.next().await.unwrap().unwrap(), TickReply { number });
        }
        assert_eq!(begin.elapsed(), Duration::from_secs(1));
        for refused in [0, 60_001] {
            assert_eq!(tick(refused).await.err().unwrap().code(), Code::InvalidArgument);
        }
    }
}
