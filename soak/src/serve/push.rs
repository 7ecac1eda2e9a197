use std::net::SocketAddr;
use std::sync::Arc;

use sockeye::handshake::{Refusal, Request};
use sockeye::push::{Answer, Backend, Connection, Handler, SendOutcome, Server};
use sockeye::{CloseCode, CloseFrame, Drained, Error, Message, MessageRef};

use super::{CommandThread, MAX_UNWRITTEN, feed_messages, last_messages, options, shutdown};
use crate::counters::{LiveGuard, count};
use crate::{Class, ServerCounters};

pub(super) fn serve(
    server_counters: &Arc<ServerCounters>,
    address: &mut SocketAddr,
    command_thread: &CommandThread,
    backend: Backend,
) -> anyhow::Result<Drained> {
    let server_counters = server_counters.clone();
    let listening = Server::new(move || SoakHandler { server_counters: server_counters.clone() })
        .options(options())
        .backend(backend)
        .workers(2)
        .max_unwritten(MAX_UNWRITTEN as usize)
        .shutdown(shutdown())
        .listen(*address)?;
    *address = listening.local_addr()?;
    let server_handle = listening.handle();
    command_thread.on_listening(*address, move || server_handle.stop());
    Ok(listening.run_until_stopped()?)
}

struct SoakHandler {
    server_counters: Arc<ServerCounters>,
}

/// The data stored with a connection.
struct ConnectionData {
    live: LiveGuard,
    failed: bool,
}

impl Handler for SoakHandler {
    fn upgrade(&mut self, request: &Request<'_>, _answer: &mut Answer) -> Result<(), Refusal> {
        match Class::of(request.path()) {
            Some(_) => Ok(()),
            None => Err(Refusal::not_found("no such class\n")),
        }
    }

    fn open(&mut self, connection: &mut Connection, request: &Request<'_>) {
        let class = Class::of(request.path()).unwrap_or(Class::Noise);
        connection
            .set_data(ConnectionData { live: self.server_counters.open(class), failed: false });
    }

    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        let Some(class) = connection.data::<ConnectionData>().map(|data| data.live.class()) else {
            return;
        };
        count(&self.server_counters.class(class).received);
        match class {
            Class::Echo | Class::Noise | Class::Burst => {
                let sent = connection.send(message);
                self.count_sent(class, sent);
            }
            Class::Feed => {
                for message in feed_messages() {
                    let sent = connection.send_shared(Message::from(message));
                    self.count_sent(class, sent);
                }
            }
            // The same input may hold a second message: the handshake has begun by then.
            Class::Bye => drop(connection.close(CloseCode::NORMAL_CLOSURE, "bye")),
            Class::Last => {
                let mut count = 0;
                for message in last_messages() {
                    let sent = connection.send_shared(Message::from(message));
                    self.count_sent(class, sent);
                    if sent != SendOutcome::Taken {
                        break;
                    }
                    count += 1;
                }
                let _ = connection.close(CloseCode::NORMAL_CLOSURE, count.to_string());
            }
        }
    }

    fn error(&mut self, connection: &mut Connection, error: &Error) {
        if let Some(data) = connection.data::<ConnectionData>() {
            data.failed = true;
            self.server_counters.on_failed(data.live.class(), error);
        }
    }

    fn close(&mut self, connection: &mut Connection, _frame: Option<&CloseFrame>) {
        if let Some(data) = connection.data::<ConnectionData>() {
            data.live.closed = !data.failed;
        }
    }
}

impl SoakHandler {
    fn count_sent(&self, class: Class, sent: SendOutcome) {
        let counters = self.server_counters.class(class);
        count(&counters.accepted);
        count(match sent {
            SendOutcome::Taken => &counters.sent,
            SendOutcome::Full => &counters.full,
            _ => &counters.unsent,
        });
    }
}
