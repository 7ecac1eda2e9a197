use std::sync::Arc;

use sockeye::Prepared;
use tokio::sync::{Notify, oneshot};

use super::JoinReply;
use crate::core::continuity::CatchUp;
use crate::join::Joined;

/// A session that recovers what it missed of a room.
#[derive(Debug)]
pub(super) struct Recovery {
    pub(super) catch_up: CatchUp,
    /// Notifies the task of the recovery of new input.
    pub(super) input: Arc<Notify>,
    /// `true` if the session has been notified of the outcome; before it, nothing is delivered.
    pub(super) joined: bool,
    /// The notices of the presence that follow the notification, and their bytes.
    pub(super) notices: Vec<Prepared>,
    pub(super) notice_bytes: usize,
    /// The reply of the session's protocol, in place of the notification.
    pub(super) reply: Option<JoinReply>,
    /// Receives the outcome.
    pub(super) outcome: Option<oneshot::Sender<Joined>>,
}

/// The result of [`Recovery::hold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// The notice follows the one that the session has joined.
    Kept,
    /// The session has joined: the notice is to be sent.
    Joined,
    /// Too many notices wait.
    Full,
}

impl Recovery {
    /// Holds a notice that must not precede the one that the session has joined.
    pub(super) fn hold(&mut self, notice: &Prepared, max_bytes: usize) -> Held {
        if self.joined {
            return Held::Joined;
        }
        if self.notice_bytes > 0 && self.notice_bytes + notice.len() > max_bytes {
            return Held::Full;
        }
        self.notice_bytes += notice.len();
        self.notices.push(notice.clone());
        Held::Kept
    }
}
