use futures_util::stream;
use js_sys::{Function, Promise};
use sockeye_demo::v1::chat_reply::Event;
use sockeye_demo::v1::demo_client::DemoClient;
use sockeye_demo::v1::{ChatRequest, Line};
use sockeye_grpc::Channel;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use wasm_bindgen::prelude::*;

use crate::call::{Call, js_error, notify};

/// Maximum number of lines that wait for the network: more than a user can type in that time.
const QUEUE_CAPACITY: usize = 32;

/// A participant of the chat.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Chat {
    call: Call,
    lines: Option<mpsc::Sender<ChatRequest>>,
}

#[wasm_bindgen]
impl Chat {
    /// Returns the promise of the call's end, as `Call.done` does.
    #[wasm_bindgen(getter)]
    pub fn done(&self) -> Promise {
        self.call.done()
    }

    /// Cancels the call, as `Call.cancel` does.
    pub fn cancel(&self) {
        self.call.cancel();
    }

    /// Sends `text` to all participants, including the sender.
    ///
    /// # Errors
    /// An `Error` if too many lines are waiting, or the chat has ended.
    pub fn say(&self, name: String, text: String) -> Result<(), JsError> {
        let lines = self.lines.as_ref().ok_or_else(|| JsError::new("You have left the chat."))?;
        lines.try_send(ChatRequest { name, text }).map_err(|error| match error {
            TrySendError::Full(_) => JsError::new("The network is slow: wait a moment."),
            TrySendError::Closed(_) => JsError::new("The chat has ended."),
        })
    }

    /// Leaves the chat: the server ends the call without an error once it has received all lines.
    pub fn leave(&mut self) {
        self.lines = None;
    }
}

impl Chat {
    pub(crate) fn join(mut client: DemoClient<Channel>, on_event: Function) -> Self {
        let (lines, queue) = mpsc::channel(QUEUE_CAPACITY);
        let queue = stream::unfold(queue, |mut queue| async { Some((queue.recv().await?, queue)) });
        let call = Call::begin(async move {
            let mut replies = client.chat(queue).await.map_err(js_error)?.into_inner();
            while let Some(reply) = replies.message().await.map_err(js_error)? {
                handle_event(&on_event, reply.event)?;
            }
            Ok(JsValue::UNDEFINED)
        });
        Self { call, lines: Some(lines) }
    }
}

fn handle_event(on_event: &Function, event: Option<Event>) -> Result<(), JsValue> {
    match event {
        Some(Event::Line(Line { name, text })) => {
            on_event.call2(&JsValue::NULL, &name.into(), &text.into()).map(drop)
        }
        // The server keeps far fewer lines than 2^53.
        #[allow(clippy::cast_precision_loss, reason = "see above")]
        Some(Event::Missed(lines)) => notify(on_event, &(lines as f64).into()),
        // An event of a newer server.
        None => Ok(()),
    }
}
