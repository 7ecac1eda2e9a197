use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::core::RoomName;
use crate::protocol::v1::Encoding;

type TokenFuture = Pin<Box<dyn Future<Output = Result<Option<String>, TokenFailure>> + Send>>;
type TokenFailure = Box<dyn Error + Send + Sync>;
pub(super) type TokenSource = Arc<dyn Fn() -> TokenFuture + Send + Sync>;
pub(super) type RoomTokenSource = Arc<dyn Fn(RoomName) -> TokenFuture + Send + Sync>;

/// The settings that the task needs.
pub(super) struct Settings {
    pub(super) encoding: Encoding,
    pub(super) data: Bytes,
    pub(super) token: Option<TokenSource>,
    pub(super) room_token: Option<RoomTokenSource>,
}
