use std::fmt;

use sockeye::{CloseFrame, Message};

use crate::core::RoomName;
use crate::encoder::Delivery;
use crate::join::Joined;

/// The reply of a protocol to a client's request to join a room, in place of
/// [`Encoder::joined`](crate::Encoder::joined): it is encoded when the outcome is known, and
/// precedes all that is published.
pub(crate) struct JoinReply {
    encode: Encode,
    refuse_gap: bool,
}

type Encode = Box<dyn FnOnce(&JoinNotice<'_>) -> Result<Option<Message>, CloseFrame> + Send>;

/// The outcome of a join.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JoinNotice<'a> {
    pub(crate) room: &'a RoomName,
    /// The position is the one after `recovered`.
    pub(crate) joined: Joined,
    /// The first recovered publications, at most as many as [`CatchUpConfig::chunk`]. The session
    /// does not receive them otherwise. The rest follows.
    ///
    /// [`CatchUpConfig::chunk`]: crate::core::continuity::CatchUpConfig::chunk
    pub(crate) recovered: &'a [Delivery<'a>],
}

impl JoinReply {
    /// Replies with what the function returns. An error closes the connection. The function runs
    /// while the rooms are locked: it must not block, or call the hub.
    pub(crate) fn new(
        encode: impl FnOnce(&JoinNotice<'_>) -> Result<Option<Message>, CloseFrame> + Send + 'static,
    ) -> Self {
        Self { encode: Box::new(encode), refuse_gap: false }
    }

    /// Lets the session join only if the recovery is not a gap.
    pub(crate) fn refuse_gap(self) -> Self {
        Self { refuse_gap: true, ..self }
    }

    pub(crate) fn refuses_gap(&self) -> bool {
        self.refuse_gap
    }

    pub(super) fn encode(self, notice: &JoinNotice<'_>) -> Result<Option<Message>, CloseFrame> {
        (self.encode)(notice)
    }
}

impl fmt::Debug for JoinReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinReply").field("refuse_gap", &self.refuse_gap).finish_non_exhaustive()
    }
}
