use std::sync::Arc;
use std::time::Instant;

use super::backlog::Step;
use super::{Delivered, SessionShared};
use crate::hub::Shared;

/// Spawns the task that drains the session's outbox, if `delivered` asks for it.
#[inline]
pub(crate) fn spawn_pump<S: Send + Sync + 'static>(
    hub: &Arc<Shared<S>>,
    session: &Arc<SessionShared<S>>,
    delivered: Delivered,
) {
    if delivered == Delivered::StartPump {
        start(hub, session);
    }
}

#[cold]
fn start<S: Send + Sync + 'static>(hub: &Arc<Shared<S>>, session: &Arc<SessionShared<S>>) {
    hub.runtime.spawn(run(hub.clone(), session.clone()));
}

/// Sends what is in the outbox, until the outbox is empty or the connection is over.
async fn run<S: Send + Sync + 'static>(hub: Arc<Shared<S>>, session: Arc<SessionShared<S>>) {
    let connection = &session.connection;
    loop {
        let message = match connection.next_step(Instant::now()) {
            Step::Send(message) => Some(message),
            Step::Dropped(dropped) => hub.encode_dropped(&session, &dropped),
            Step::Resume { room, after } => {
                hub.resume(&session, room, after);
                None
            }
            Step::WaitUntil(at) => {
                tokio::select! {
                    () = tokio::time::sleep_until(at.into()) => {}
                    () = connection.pump_notified() => {}
                }
                None
            }
            Step::End => return,
        };
        if let Some(message) = message {
            if !connection.send(&message).await {
                connection.on_end();
            }
        }
    }
}
