use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use sockeye::{Error, Message};

use crate::core::RoomName;
use crate::disconnect::Disconnect;
use crate::error::Denied;
use crate::join::JoinTerms;
use crate::session::SessionHandle;

/// The future of a hook that authorises an operation.
pub(crate) type Verdict<T> = Pin<Box<dyn Future<Output = Result<T, Denied>> + Send>>;

type OnSession<S> = Box<dyn Fn(&SessionHandle<S>) + Send + Sync>;
type OnMessage<S> = Box<dyn Fn(&SessionHandle<S>, &Message) + Send + Sync>;
type OnPong<S> = Box<dyn Fn(&SessionHandle<S>, Duration) + Send + Sync>;
type OnError<S> = Box<dyn Fn(&SessionHandle<S>, &Error) + Send + Sync>;
type OnDisconnect<S> = Box<dyn Fn(&SessionHandle<S>, &Disconnect) + Send + Sync>;
type Selector<S> = Box<dyn Fn(&SessionHandle<S>, &[u8]) -> bool + Send + Sync>;
type OnRoom = Box<dyn Fn(&RoomName) + Send + Sync>;
type AuthorizeJoin<S> = Box<dyn Fn(SessionHandle<S>, RoomName) -> Verdict<JoinTerms> + Send + Sync>;
type AuthorizePublish<S> =
    Box<dyn Fn(SessionHandle<S>, RoomName, Message) -> Verdict<()> + Send + Sync>;

/// The functions of the application that the hub calls: see [`Builder`](crate::Builder).
pub(crate) struct Hooks<S> {
    pub(crate) connect: Option<OnSession<S>>,
    pub(crate) message: Option<OnMessage<S>>,
    pub(crate) sent: Option<OnMessage<S>>,
    pub(crate) pong: Option<OnPong<S>>,
    pub(crate) error: Option<OnError<S>>,
    pub(crate) disconnect: Option<OnDisconnect<S>>,
    pub(crate) selectors: HashMap<Box<str>, Selector<S>>,
    pub(crate) occupied: Option<OnRoom>,
    pub(crate) vacated: Option<OnRoom>,
    pub(crate) authorize_join: Option<AuthorizeJoin<S>>,
    pub(crate) authorize_publish: Option<AuthorizePublish<S>>,
}

impl<S> Default for Hooks<S> {
    fn default() -> Self {
        Self {
            connect: None,
            message: None,
            sent: None,
            pong: None,
            error: None,
            disconnect: None,
            selectors: HashMap::new(),
            occupied: None,
            vacated: None,
            authorize_join: None,
            authorize_publish: None,
        }
    }
}

impl<S> fmt::Debug for Hooks<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("connect", &self.connect.is_some())
            .field("message", &self.message.is_some())
            .field("sent", &self.sent.is_some())
            .field("pong", &self.pong.is_some())
            .field("error", &self.error.is_some())
            .field("disconnect", &self.disconnect.is_some())
            .field("selectors", &self.selectors.keys())
            .field("occupied", &self.occupied.is_some())
            .field("vacated", &self.vacated.is_some())
            .field("authorize_join", &self.authorize_join.is_some())
            .field("authorize_publish", &self.authorize_publish.is_some())
            .finish()
    }
}
