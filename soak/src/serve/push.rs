use std::net::SocketAddr;
use std::sync::Arc;

use sockeye::handshake::{Refusal, Request};
use sockeye::push::{Answer, Backend, Connection, Handler, Sent, Server};
use sockeye::{CloseCode, CloseFrame, Drained, Error, Message, MessageRef};

use super::{Control, MAX_UNWRITTEN, feed, last, options, shutdown};
use crate::ledger::{Live, count};
use crate::{Class, Ledger};

pub(super) fn serve(
    ledger: &Arc<Ledger>,
    address: &mut SocketAddr,
    control: &Control,
    backend: Backend,
) -> anyhow::Result<Drained> {
    let ledger = ledger.clone();
    let listening = Server::new(move || Soaked { ledger: ledger.clone() })
        .options(options())
        .backend(backend)
        .workers(2)
        .max_unwritten(MAX_UNWRITTEN as usize)
        .shutdown(shutdown())
        .listen(*address)?;
    *address = listening.local_addr()?;
    let stopper = listening.stopper();
    control.listening(*address, move || stopper.stop());
    Ok(listening.run_until_stopped()?)
}

struct Soaked {
    ledger: Arc<Ledger>,
}

/// The data stored with a connection.
struct Kept {
    live: Live,
    failed: bool,
}

impl Handler for Soaked {
    fn upgrade(&mut self, request: &Request<'_>, _answer: &mut Answer) -> Result<(), Refusal> {
        match Class::of(request.path()) {
            Some(_) => Ok(()),
            None => Err(Refusal::not_found("no such class\n")),
        }
    }

    fn open(&mut self, connection: &mut Connection, request: &Request<'_>) {
        let class = Class::of(request.path()).unwrap_or(Class::Noise);
        connection.set_data(Kept { live: self.ledger.enter(class), failed: false });
    }

    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        let Some(class) = connection.data::<Kept>().map(|kept| kept.live.class()) else { return };
        count(&self.ledger.class(class).received);
        match class {
            Class::Echo | Class::Noise | Class::Burst => {
                let sent = connection.send(message);
                self.became(class, sent);
            }
            Class::Feed => {
                for message in feed() {
                    let sent = connection.send_shared(Message::from(message));
                    self.became(class, sent);
                }
            }
            // The same input may hold a second message: the handshake has begun by then.
            Class::Bye => drop(connection.close(CloseCode::NORMAL_CLOSURE, "bye")),
            Class::Last => {
                let mut count = 0;
                for message in last() {
                    let sent = connection.send_shared(Message::from(message));
                    self.became(class, sent);
                    if sent != Sent::Taken {
                        break;
                    }
                    count += 1;
                }
                let _ = connection.close(CloseCode::NORMAL_CLOSURE, count.to_string());
            }
        }
    }

    fn error(&mut self, connection: &mut Connection, error: &Error) {
        if let Some(kept) = connection.data::<Kept>() {
            kept.failed = true;
            self.ledger.failed(kept.live.class(), error);
        }
    }

    fn close(&mut self, connection: &mut Connection, _frame: Option<&CloseFrame>) {
        if let Some(kept) = connection.data::<Kept>() {
            kept.live.closed = !kept.failed;
        }
    }
}

impl Soaked {
    fn became(&self, class: Class, sent: Sent) {
        let counters = self.ledger.class(class);
        count(&counters.accepted);
        count(match sent {
            Sent::Taken => &counters.sent,
            Sent::Full => &counters.full,
            _ => &counters.unsent,
        });
    }
}
