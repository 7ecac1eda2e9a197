use std::any::Any;
use std::fmt;
use std::sync::Arc;

use sockeye_proto::frame::Header;
use sockeye_proto::handshake::{Refusal, Request};
use sockeye_proto::{CloseFrame, MessageRef};

use super::{Answer, Connection, Handler};
use crate::Error;

type Upgrade = dyn Fn(&Request<'_>, &mut Answer) -> Result<(), Refusal> + Send + Sync;
type Open = dyn Fn(&mut Connection, &Request<'_>) + Send + Sync;
type OnMessage = dyn Fn(&mut Connection, MessageRef<'_>) + Send + Sync;
type OnFrame = dyn Fn(&mut Connection, &Header) + Send + Sync;
type OnControl = dyn Fn(&mut Connection, &[u8]) + Send + Sync;
type OnEvent = dyn Fn(&mut Connection, Box<dyn Any + Send>) + Send + Sync;
type OnCall = dyn Fn(&mut Connection) + Send + Sync;
type OnError = dyn Fn(&mut Connection, &Error) + Send + Sync;
type OnClose = dyn Fn(&mut Connection, Option<&CloseFrame>) + Send + Sync;

/// A [`Handler`] made of closures, for small programs. Clones share the closures.
///
/// ```no_run
/// use sockeye::push::{Callbacks, Server};
///
/// # fn main() -> sockeye::Result<()> {
/// let echo = Callbacks::new()
///     .on_open(|connection, _| println!("{} is here", connection.peer_addr()))
///     .on_message(|connection, message| {
///         connection.send(message);
///     });
/// Server::new(move || echo.clone()).listen("127.0.0.1:8080")?.run()
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Callbacks {
    upgrade: Option<Arc<Upgrade>>,
    open: Option<Arc<Open>>,
    message: Option<Arc<OnMessage>>,
    frame: Option<Arc<OnFrame>>,
    ping: Option<Arc<OnControl>>,
    pong: Option<Arc<OnControl>>,
    tick: Option<Arc<OnCall>>,
    event: Option<Arc<OnEvent>>,
    drained: Option<Arc<OnCall>>,
    error: Option<Arc<OnError>>,
    close: Option<Arc<OnClose>>,
}

impl Callbacks {
    /// Creates callbacks that do nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the closure for [`Handler::upgrade`].
    pub fn on_upgrade(
        self,
        call: impl Fn(&Request<'_>, &mut Answer) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self { upgrade: Some(Arc::new(call)), ..self }
    }

    /// Sets the closure for [`Handler::open`].
    pub fn on_open(
        self,
        call: impl Fn(&mut Connection, &Request<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self { open: Some(Arc::new(call)), ..self }
    }

    /// Sets the closure for [`Handler::message`].
    pub fn on_message(
        self,
        call: impl Fn(&mut Connection, MessageRef<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self { message: Some(Arc::new(call)), ..self }
    }

    /// Sets the closure for [`Handler::frame`].
    pub fn on_frame(self, call: impl Fn(&mut Connection, &Header) + Send + Sync + 'static) -> Self {
        Self { frame: Some(Arc::new(call)), ..self }
    }

    /// Sets the closure for [`Handler::ping`].
    pub fn on_ping(self, call: impl Fn(&mut Connection, &[u8]) + Send + Sync + 'static) -> Self {
        Self { ping: Some(Arc::new(call)), ..self }
    }

    /// Sets the closure for [`Handler::pong`].
    pub fn on_pong(self, call: impl Fn(&mut Connection, &[u8]) + Send + Sync + 'static) -> Self {
        Self { pong: Some(Arc::new(call)), ..self }
    }

    /// Sets the closure for [`Handler::tick`].
    pub fn on_tick(self, call: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self { tick: Some(Arc::new(call)), ..self }
    }

    /// Sets the closure for [`Handler::event`].
    pub fn on_event(
        self,
        call: impl Fn(&mut Connection, Box<dyn Any + Send>) + Send + Sync + 'static,
    ) -> Self {
        Self { event: Some(Arc::new(call)), ..self }
    }

    /// Sets the closure for [`Handler::drained`].
    pub fn on_drained(self, call: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self { drained: Some(Arc::new(call)), ..self }
    }

    /// Sets the closure for [`Handler::error`].
    pub fn on_error(self, call: impl Fn(&mut Connection, &Error) + Send + Sync + 'static) -> Self {
        Self { error: Some(Arc::new(call)), ..self }
    }

    /// Sets the closure for [`Handler::close`].
    pub fn on_close(
        self,
        call: impl Fn(&mut Connection, Option<&CloseFrame>) + Send + Sync + 'static,
    ) -> Self {
        Self { close: Some(Arc::new(call)), ..self }
    }
}

impl Handler for Callbacks {
    fn upgrade(&mut self, request: &Request<'_>, answer: &mut Answer) -> Result<(), Refusal> {
        self.upgrade.as_ref().map_or(Ok(()), |call| call(request, answer))
    }

    fn open(&mut self, connection: &mut Connection, request: &Request<'_>) {
        if let Some(call) = &self.open {
            call(connection, request);
        }
    }

    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        if let Some(call) = &self.message {
            call(connection, message);
        }
    }

    fn frame(&mut self, connection: &mut Connection, header: &Header) {
        if let Some(call) = &self.frame {
            call(connection, header);
        }
    }

    fn ping(&mut self, connection: &mut Connection, payload: &[u8]) {
        if let Some(call) = &self.ping {
            call(connection, payload);
        }
    }

    fn pong(&mut self, connection: &mut Connection, payload: &[u8]) {
        if let Some(call) = &self.pong {
            call(connection, payload);
        }
    }

    fn tick(&mut self, connection: &mut Connection) {
        if let Some(call) = &self.tick {
            call(connection);
        }
    }

    fn event(&mut self, connection: &mut Connection, event: Box<dyn Any + Send>) {
        if let Some(call) = &self.event {
            call(connection, event);
        }
    }

    fn drained(&mut self, connection: &mut Connection) {
        if let Some(call) = &self.drained {
            call(connection);
        }
    }

    fn error(&mut self, connection: &mut Connection, error: &Error) {
        if let Some(call) = &self.error {
            call(connection, error);
        }
    }

    fn close(&mut self, connection: &mut Connection, frame: Option<&CloseFrame>) {
        if let Some(call) = &self.close {
            call(connection, frame);
        }
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}
