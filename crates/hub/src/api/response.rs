use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;

use super::error::ApiError;

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reply<'a> {
    Result(&'a RawValue),
    Error(&'a ApiError),
}

pub(super) fn result(result: &RawValue) -> Response<Bytes> {
    respond(StatusCode::OK, &Reply::Result(result))
}

pub(super) fn error(status: StatusCode, error: &ApiError) -> Response<Bytes> {
    respond(status, &Reply::Error(error))
}

fn respond(status: StatusCode, reply: &Reply<'_>) -> Response<Bytes> {
    // Texts and JSON become JSON.
    let body = serde_json::to_vec(reply).unwrap_or_default();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
