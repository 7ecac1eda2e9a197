use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use sockeye::split::TrySendError;
use sockeye::{Error, Message};
use sockeye_hub::router::codec::{Codec, Command, Decoded, Incoming};
use sockeye_hub::router::{
    ClientInfo, CommandId, CommandName, Content, EncodeError, Failure, Outgoing, Router, Text,
};
use tokio::sync::mpsc;
use tokio::task::yield_now;

/// Commands as `ID NAME CONTENT`, several in a message, each in a line.
#[derive(Debug)]
struct Lines;

impl Codec for Lines {
    fn decode(&self, message: Message) -> Decoded {
        let text = message.as_text().unwrap_or_default();
        let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
        let rest = if rest.is_empty() { None } else { Some(rest.into()) };
        let mut words = line.splitn(3, ' ');
        let id = words.next().and_then(|id| id.parse().ok()).map(CommandId::Number);
        let (Some(id), Some(name)) = (id, words.next()) else {
            return Decoded { command: Err(Failure::bad_request("what?").into()), rest };
        };
        let content = Content::Text(words.next().unwrap_or_default().into());
        let command = Command { name: name.into(), id: Some(id), content, timeout: None };
        Decoded { command: Ok(Incoming::Command(command)), rest }
    }

    fn encode_reply(
        &self,
        command: Option<&CommandName>,
        id: Option<&CommandId>,
        reply: Result<&Content, &Failure>,
    ) -> Result<Option<Message>, EncodeError> {
        let id = id.map_or_else(|| "?".into(), ToString::to_string);
        Ok(Some(match reply {
            Ok(Content::Text(text)) => format!("{id} {text}").into(),
            // Only failures must have an encoding.
            Ok(_) => return Err(EncodeError::NotANumber(command.unwrap().clone())),
            Err(failure) => format!("{id} failed: {failure}").into(),
        }))
    }

    fn encode_event(&self, event: &CommandName, content: &Content) -> Result<Message, EncodeError> {
        Ok(format!("{event}: {}", String::from_utf8_lossy(content.as_bytes())).into())
    }
}

/// The messages of a client that has no WebSocket.
struct Messages(mpsc::Receiver<sockeye::Result<Message>>);

impl Stream for Messages {
    type Item = sockeye::Result<Message>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

/// The queue to such a client.
struct Queue(mpsc::Sender<Message>);

impl Outgoing for Queue {
    fn send(
        &self,
        message: Message,
    ) -> Pin<Box<dyn Future<Output = sockeye::Result<()>> + Send + '_>> {
        Box::pin(async move { self.0.send(message).await.map_err(|_| Error::Closed(None)) })
    }

    fn try_send(&self, message: Message) -> Result<(), TrySendError> {
        self.0.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(message) => TrySendError::Full(message),
            mpsc::error::TrySendError::Closed(message) => TrySendError::Closed(message),
        })
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

#[tokio::test]
async fn the_endpoints_of_a_router() {
    let router = Router::new(())
        .codec(Lines)
        .on("now", async |text: Text| text)
        .on("later", async |text: Text| {
            yield_now().await;
            text
        })
        .on("nothing", async || ());
    let (to_server, messages) = mpsc::channel(10);
    let (queue, mut from_server) = mpsc::channel(1);
    let serve = router.serve_with(Messages(messages), Queue(queue), ClientInfo::default());
    serve.writer().push("hello", "you").await.unwrap();
    let serving = tokio::spawn(serve);
    to_server.send(Ok("1 now a\n1 later b\n1 now c\nx\n1 nothing".into())).await.unwrap();
    assert_eq!(from_server.recv().await.unwrap(), "hello: you");
    let mut replies = Vec::new();
    for _ in 0..5 {
        replies.push(from_server.recv().await.unwrap().to_string());
    }
    // The malformed one has no id, and so its own place.
    replies.retain(|reply| reply != "? failed: 400: what?");
    assert_eq!(replies, ["1 a", "1 b", "1 c", "1 failed: 500: internal error"]);
    to_server.send(Err(Error::Disconnected)).await.unwrap();
    assert!(matches!(serving.await.unwrap(), Err(Error::Disconnected)));
}
