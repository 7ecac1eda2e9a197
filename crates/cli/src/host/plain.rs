//! Plain HTTP on a port that speaks TLS: redirects clients that used `http://`.

use axum::Router;
use axum::http::header::{HOST, LOCATION};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// The first byte of a TLS connection: the content type of a handshake record (RFC 8446, 5.1). No
/// HTTP method begins with it.
pub(crate) const TLS_HANDSHAKE: u8 = 0x16;

/// Returns a router that redirects every request to the same address under https.
pub(crate) fn router() -> Router {
    Router::new().fallback(redirect)
}

async fn redirect(uri: Uri, headers: HeaderMap) -> Response {
    let sentence = "This port speaks https: write https:// in front of its address.\n";
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.and_then(|host| host.parse::<Authority>().ok()) else {
        return (StatusCode::BAD_REQUEST, sentence).into_response();
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let location = format!("https://{host}{path}");
    // Temporary, so that browsers forget the redirect if the port speaks plain HTTP later.
    (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)], sentence).into_response()
}
