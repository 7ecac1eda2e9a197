use std::pin::Pin;
use std::sync::Arc;

use sockeye::{CloseCode, Message, WebSocket};

use super::{feed, last};
use crate::ledger::{Counters, Live, add, count};
use crate::{Class, Ledger};

type Work = Pin<Box<dyn Future<Output = sockeye::Result<()>> + Send>>;

pub(super) fn handler(ledger: &Arc<Ledger>) -> impl Fn(WebSocket) -> Work + Send + Sync + use<> {
    let ledger = ledger.clone();
    move |ws| {
        let class = ws.data().copied().unwrap_or(Class::Noise);
        let ledger = ledger.clone();
        Box::pin(async move {
            let ended = talk(ws, ledger.enter(class)).await;
            ended.inspect_err(|error| ledger.failed(class, error))
        })
    }
}

async fn talk(mut ws: WebSocket, mut live: Live) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        count(&live.counters().received);
        match live.class() {
            Class::Echo | Class::Burst => send(&mut ws, live.counters(), message).await?,
            Class::Noise => {
                // Leaves the write to `recv`, so that floods are answered in batches.
                let mut sending = Sending { counters: live.counters(), count: 1 };
                add(&sending.counters.accepted, 1);
                ws.feed(message).await?;
                sending.done();
            }
            Class::Feed => {
                for message in feed() {
                    send(&mut ws, live.counters(), message.into()).await?;
                }
            }
            Class::Bye => ws.close(CloseCode::NORMAL_CLOSURE, "bye").await?,
            Class::Last => {
                let mut count = 0;
                for message in last() {
                    send(&mut ws, live.counters(), message.into()).await?;
                    count += 1;
                }
                ws.close(CloseCode::NORMAL_CLOSURE, count.to_string()).await?;
            }
        }
    }
    live.closed = true;
    Ok(())
}

async fn send(ws: &mut WebSocket, counters: &Counters, message: Message) -> sockeye::Result<()> {
    count(&counters.accepted);
    let mut sending = Sending { counters, count: 1 };
    ws.send(message).await?;
    sending.done();
    Ok(())
}

/// Messages in transit to the transport. They count as unsent unless `done` is called, even if
/// their task is dropped.
struct Sending<'a> {
    counters: &'a Counters,
    count: u64,
}

impl Sending<'_> {
    fn done(&mut self) {
        add(&self.counters.sent, std::mem::take(&mut self.count));
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        add(&self.counters.unsent, self.count);
    }
}
