//! `/echo`: every message comes back as it went.

use axum::extract::State;
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::shutdown::Shutdown;
use crate::arguments::Serve;

#[derive(Clone, Debug)]
pub(crate) struct Echo {}

impl Echo {
    pub(crate) fn new(_options: &Serve, _shutdown: Shutdown) -> anyhow::Result<Self> {
        Ok(Self {})
    }
}

pub(crate) async fn upgrade(State(_echo): State<Echo>, _headers: HeaderMap) -> Response {
    upgrade_required()
}

fn upgrade_required() -> Response {
    let sentence = "This is a WebSocket: point a WebSocket client here, \
                    or open / in a browser to try it.\n";
    let headers = [(UPGRADE, "websocket"), (CONNECTION, "upgrade")];
    (StatusCode::UPGRADE_REQUIRED, headers, sentence).into_response()
}
