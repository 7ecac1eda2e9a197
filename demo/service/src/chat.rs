use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tonic::Status;

use crate::length::check_length;
use crate::v1::chat_reply::Event;
use crate::v1::{ChatReply, ChatRequest, Line};

/// A chat room, which broadcasts each line to all participants.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    lines: broadcast::Sender<Line>,
}

/// Number of lines kept for slow participants. Beyond this, the oldest lines are lost to them, and
/// counted.
const BACKLOG: usize = 256;
const MAX_NAME: usize = 64;
const MAX_TEXT: usize = 2_048;

impl Default for Room {
    fn default() -> Self {
        Self { lines: broadcast::channel(BACKLOG).0 }
    }
}

impl Room {
    /// Joins the room. The returned stream yields the lines from now on, until `requests` ends or
    /// has a line that is refused.
    pub(crate) fn join<S>(
        &self,
        requests: S,
    ) -> impl Stream<Item = Result<ChatReply, Status>> + Send + use<S>
    where
        S: Stream<Item = Result<ChatRequest, Status>> + Send + 'static,
    {
        let lines = self.lines.subscribe();
        let participant = Participant { room: self.clone(), lines, requests: Box::pin(requests) };
        stream::unfold(Some(participant), |participant| async {
            let mut participant = participant?;
            match participant.next().await? {
                Ok(event) => Some((Ok(ChatReply { event: Some(event) }), Some(participant))),
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    fn say(&self, line: ChatRequest) -> Result<(), Status> {
        let ChatRequest { name, text } = line;
        check_length("name", name.len(), 1..=MAX_NAME)?;
        check_length("text", text.len(), 1..=MAX_TEXT)?;
        // The sender also receives, so there is a receiver.
        let _ = self.lines.send(Line { name, text });
        Ok(())
    }
}

struct Participant<S> {
    room: Room,
    lines: broadcast::Receiver<Line>,
    requests: std::pin::Pin<Box<S>>,
}

impl<S: Stream<Item = Result<ChatRequest, Status>>> Participant<S> {
    async fn next(&mut self) -> Option<Result<Event, Status>> {
        loop {
            tokio::select! {
                received = self.lines.recv() => return match received {
                    Ok(line) => Some(Ok(Event::Line(line))),
                    Err(RecvError::Lagged(lines)) => Some(Ok(Event::Missed(lines))),
                    Err(RecvError::Closed) => None,
                },
                request = self.requests.next() => {
                    if let Err(status) = request?.and_then(|line| self.room.say(line)) {
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

    fn reply(text: &str) -> ChatReply {
        ChatReply { event: Some(Event::Line(Line { name: "Ada".into(), text: text.into() })) }
    }

    #[tokio::test]
    async fn every_participant_receives_every_line() {
        let room = Room::default();
        let mut silent = std::pin::pin!(room.join(stream::pending()));
        let requests = stream::iter([Ok(line("one")), Ok(line("two"))]).chain(stream::pending());
        let mut speaker = std::pin::pin!(room.join(requests));
        for text in ["one", "two"] {
            assert_eq!(speaker.next().await.unwrap().unwrap(), reply(text));
            assert_eq!(silent.next().await.unwrap().unwrap(), reply(text));
        }
        assert!(silent.next().now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_participant_that_ends_the_call_leaves_the_room() {
        let mut gone = std::pin::pin!(Room::default().join(stream::empty()));
        assert!(gone.next().await.is_none());
    }

    #[tokio::test]
    async fn an_empty_line_ends_the_call() {
        let requests = stream::iter([Ok(line(""))]).chain(stream::pending());
        let mut replies = std::pin::pin!(Room::default().join(requests));
        let status = replies.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(replies.next().await.is_none());
    }

    #[tokio::test]
    async fn lines_that_were_missed_are_counted() {
        let room = Room::default();
        let mut slow = std::pin::pin!(room.join(stream::pending()));
        for number in 0..BACKLOG + 3 {
            room.say(line(&number.to_string())).unwrap();
        }
        let missed = ChatReply { event: Some(Event::Missed(3)) };
        assert_eq!(slow.next().await.unwrap().unwrap(), missed);
        assert_eq!(slow.next().await.unwrap().unwrap(), reply("3"));
    }
}
