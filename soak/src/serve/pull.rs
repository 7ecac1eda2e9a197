use std::pin::Pin;
use std::sync::Arc;

use sockeye::{CloseCode, Message, WebSocket};

use super::{feed_messages, last_messages};
use crate::counters::{ClassCounters, LiveGuard, add, count};
use crate::{Class, ServerCounters};

type HandlerFuture = Pin<Box<dyn Future<Output = sockeye::Result<()>> + Send>>;

pub(super) fn handler(
    server_counters: &Arc<ServerCounters>,
) -> impl Fn(WebSocket) -> HandlerFuture + Send + Sync + use<> {
    let server_counters = server_counters.clone();
    move |ws| {
        let class = ws.data().copied().unwrap_or(Class::Noise);
        let server_counters = server_counters.clone();
        Box::pin(async move {
            let ended = serve_connection(ws, server_counters.open(class)).await;
            ended.inspect_err(|error| server_counters.on_failed(class, error))
        })
    }
}

async fn serve_connection(mut ws: WebSocket, mut live: LiveGuard) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        count(&live.counters().received);
        match live.class() {
            Class::Echo | Class::Burst => send(&mut ws, live.counters(), message).await?,
            Class::Noise => {
                // Leaves the write to `recv`, so that floods are answered in batches.
                let mut pending = PendingMessages { counters: live.counters(), count: 1 };
                add(&pending.counters.accepted, 1);
                ws.feed(message).await?;
                pending.mark_sent();
            }
            Class::Feed => {
                for message in feed_messages() {
                    send(&mut ws, live.counters(), message.into()).await?;
                }
            }
            Class::Bye => ws.close(CloseCode::NORMAL_CLOSURE, "bye").await?,
            Class::Last => {
                let mut count = 0;
                for message in last_messages() {
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

async fn send(
    ws: &mut WebSocket,
    counters: &ClassCounters,
    message: Message,
) -> sockeye::Result<()> {
    count(&counters.accepted);
    let mut pending = PendingMessages { counters, count: 1 };
    ws.send(message).await?;
    pending.mark_sent();
    Ok(())
}

/// Messages on their way to the transport. They count as unsent unless `mark_sent` is called, even
/// if their task is dropped.
struct PendingMessages<'a> {
    counters: &'a ClassCounters,
    count: u64,
}

impl PendingMessages<'_> {
    fn mark_sent(&mut self) {
        add(&self.counters.sent, std::mem::take(&mut self.count));
    }
}

impl Drop for PendingMessages<'_> {
    fn drop(&mut self) {
        add(&self.counters.unsent, self.count);
    }
}
