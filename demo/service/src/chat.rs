use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tonic::Status;

use crate::service::within;
use crate::v1::chat_reply::Event;
use crate::v1::{ChatReply, ChatRequest, Line};

/// A chat room, which broadcasts each line to all participants.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    lines: broadcast::Sender<Line>,
}

/// Number of lines kept for slow participants. Beyond this, the oldest lines are lost to them, and
/// counted.
const KEPT: usize = 256;
const MAX_NAME: usize = 64;
const MAX_TEXT: usize = 2_048;

impl Default for Room {
    fn default() -> Self {
        Self { lines: broadcast::channel(KEPT).0 }
    }
}

impl Room {
    /// Joins the room. The returned stream yields the lines from now on, until the caller ends
    /// `said` or sends a line that is refused.
    pub(crate) fn join<S>(
        &self,
        said: S,
    ) -> impl Stream<Item = Result<ChatReply, Status>> + Send + use<S>
    where
        S: Stream<Item = Result<ChatRequest, Status>> + Send + 'static,
    {
        let heard = self.lines.subscribe();
        let present = Present { room: self.clone(), heard, said: Box::pin(said) };
        stream::unfold(Some(present), |present| async {
            let mut present = present?;
            match present.next().await? {
                Ok(event) => Some((Ok(ChatReply { event: Some(event) }), Some(present))),
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    fn say(&self, line: ChatRequest) -> Result<(), Status> {
        let ChatRequest { name, text } = line;
        within("name", name.len(), 1..=MAX_NAME)?;
        within("text", text.len(), 1..=MAX_TEXT)?;
        // The speaker also listens, so there is a receiver.
        let _ = self.lines.send(Line { name, text });
        Ok(())
    }
}

struct Present<S> {
    room: Room,
    heard: broadcast::Receiver<Line>,
    said: std::pin::Pin<Box<S>>,
}

impl<S: Stream<Item = Result<ChatRequest, Status>>> Present<S> {
    async fn next(&mut self) -> Option<Result<Event, Status>> {
        loop {
            tokio::select! {
                heard = self.heard.recv() => return match heard {
                    Ok(line) => Some(Ok(Event::Line(line))),
                    Err(RecvError::Lagged(lines)) => Some(Ok(Event::Missed(lines))),
                    Err(RecvError::Closed) => None,
                },
                said = self.said.next() => {
                    if let Err(status) = said?.and_then(|line| self.room.say(line)) {
                        return Some(Err(status));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use futures_util::FutureExt;
    use tonic::Code;

    use super::*;

    fn line(text: &str) -> ChatRequest {
        ChatRequest { name: "Ada".into(), text: text.into() }
    }

    fn heard(text: &str) -> ChatReply {
        ChatReply { event: Some(Event::Line(Line { name: "Ada".into(), text: text.into() })) }
    }

    #[tokio::test]
    async fn everybody_hears_what_anybody_says() {
        let room = Room::default();
        let mut silent = std::pin::pin!(room.join(stream::pending()));
        let said = stream::iter([Ok(line("one")), Ok(line("two"))]).chain(stream::pending());
        let mut speaker = std::pin::pin!(room.join(said));
        for text in ["one", "two"] {
            assert_eq!(speaker.next().await.unwrap().unwrap(), heard(text));
            assert_eq!(silent.next().await.unwrap().unwrap(), heard(text));
        }
        assert!(silent.next().now_or_never().is_none());
    }

    #[tokio::test]
    async fn whoever_hangs_up_is_out() {
        let mut gone = std::pin::pin!(Room::default().join(stream::empty()));
        assert!(gone.next().await.is_none());
    }

    #[tokio::test]
    async fn an_empty_line_ends_the_call() {
        let said = stream::iter([Ok(line(""))]).chain(stream::pending());
        let mut replies = std::pin::pin!(Room::default().join(said));
        let status = replies.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(replies.next().await.is_none());
    }

    #[tokio::test]
    async fn lines_that_were_missed_are_counted() {
        let room = Room::default();
        let mut slow = std::pin::pin!(room.join(stream::pending()));
        for number in 0..KEPT + 3 {
            room.say(line(&number.to_string())).unwrap();
        }
        let missed = ChatReply { event: Some(Event::Missed(3)) };
        assert_eq!(slow.next().await.unwrap().unwrap(), missed);
        assert_eq!(slow.next().await.unwrap().unwrap(), heard("3"));
    }
}
