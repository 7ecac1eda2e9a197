use std::error::Error;

use bytes::Bytes;

use super::runtime::SharedFn;
use crate::core::RoomName;
use crate::protocol::v1::Encoding;

type Token = Result<Option<String>, Box<dyn Error + Send + Sync>>;
pub(super) type TokenSource = SharedFn<(), Token>;
pub(super) type RoomTokenSource = SharedFn<RoomName, Token>;

/// The settings that the task needs.
pub(super) struct Settings {
    pub(super) encoding: Encoding,
    pub(super) data: Bytes,
    pub(super) token: Option<TokenSource>,
    pub(super) room_token: Option<RoomTokenSource>,
}
