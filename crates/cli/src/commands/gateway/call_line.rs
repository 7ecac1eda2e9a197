//! The line of a call in the access log.

use serde::Serialize;
use sockeye_gateway::CallRecord;

use crate::host::access_log;

/// The fields of a line; its time is that at which the call ended.
#[derive(Serialize)]
pub(crate) struct CallLine<'a> {
    peer: Option<String>,
    request_id: Option<&'a str>,
    protocol: &'static str,
    http_method: &'a str,
    /// Without the query, which may have secrets.
    path: &'a str,
    method: Option<&'a str>,
    code: &'static str,
    http_status: Option<u16>,
    duration_ms: f64,
    request_bytes: u64,
    response_bytes: u64,
    request_messages: u64,
    response_messages: u64,
}

impl<'a> From<&'a CallRecord> for CallLine<'a> {
    fn from(record: &'a CallRecord) -> Self {
        Self {
            peer: record.peer.map(|peer| peer.to_string()),
            request_id: record.request_id.as_deref(),
            protocol: record.dialect.name(),
            http_method: record.http_method.as_str(),
            path: &record.path,
            method: record.method.as_deref(),
            code: record.code.name(),
            http_status: record.http_status.map(|status| status.as_u16()),
            duration_ms: access_log::milliseconds(record.duration),
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            request_messages: record.request_messages,
            response_messages: record.response_messages,
        }
    }
}
