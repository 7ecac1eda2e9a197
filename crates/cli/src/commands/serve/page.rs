//! The pages and their assets, built into the program.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

struct Asset {
    path: &'static str,
    content_type: &'static str,
    body: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
/// The content type of a script.
pub(crate) const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($path:literal, $content_type:expr, $file:literal) => {
        Asset {
            path: $path,
            content_type: $content_type,
            body: include_str!(concat!("../../../page/", $file)),
        }
    };
}

const ASSETS: &[Asset] = &[
    asset!("/", HTML, "index.html"),
    asset!("/style.css", CSS, "style.css"),
    asset!("/icon.svg", "image/svg+xml", "icon.svg"),
    asset!("/app.js", SCRIPT, "app.js"),
    asset!("/call-failure.js", SCRIPT, "call-failure.js"),
    asset!("/call-plot.js", SCRIPT, "call-plot.js"),
    asset!("/calls-panel.js", SCRIPT, "calls-panel.js"),
    asset!("/chat", HTML, "chat.html"),
    asset!("/chat.js", SCRIPT, "chat.js"),
    asset!("/chat-panel.js", SCRIPT, "chat-panel.js"),
    asset!("/chat-room.js", SCRIPT, "chat-room.js"),
    asset!("/closing.js", SCRIPT, "closing.js"),
    asset!("/cluster-panel.js", SCRIPT, "cluster-panel.js"),
    asset!("/connection.js", SCRIPT, "connection.js"),
    asset!("/connection-panel.js", SCRIPT, "connection-panel.js"),
    asset!("/conversation-panel.js", SCRIPT, "conversation-panel.js"),
    asset!("/demo", HTML, "demo.html"),
    asset!("/demo.js", SCRIPT, "demo.js"),
    asset!("/echo-panel.js", SCRIPT, "echo-panel.js"),
    asset!("/file-target.js", SCRIPT, "file-target.js"),
    asset!("/files-panel.js", SCRIPT, "files-panel.js"),
    asset!("/format.js", SCRIPT, "format.js"),
    asset!("/hub-panel.js", SCRIPT, "hub-panel.js"),
    asset!("/latency-panel.js", SCRIPT, "latency-panel.js"),
    asset!("/lossy-socket.js", SCRIPT, "lossy-socket.js"),
    asset!("/members-panel.js", SCRIPT, "members-panel.js"),
    asset!("/plot.js", SCRIPT, "plot.js"),
    asset!("/rate-plot.js", SCRIPT, "rate-plot.js"),
    asset!("/rooms-panel.js", SCRIPT, "rooms-panel.js"),
    asset!("/sockeye-hub.js", SCRIPT, "../../hub/js/sockeye-hub.js"),
    asset!("/statistics.js", SCRIPT, "statistics.js"),
    asset!("/ticks-panel.js", SCRIPT, "ticks-panel.js"),
    asset!("/upload-panel.js", SCRIPT, "upload-panel.js"),
];

/// The content security policy: a page loads everything from this server, and nothing from
/// elsewhere. The demo needs WebAssembly.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Returns the routes of the pages.
pub(crate) fn routes() -> Router {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        router.route(asset.path, get(|| async { respond(asset.content_type, asset.body) }))
    })
}

/// Returns a response with an asset of a page.
pub(crate) fn respond(content_type: &'static str, body: impl IntoResponse) -> Response {
    let headers: [(HeaderName, HeaderValue); 7] = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // A page isolated from others gets a clock of 5 µs instead of 100 µs: on one machine a
        // round trip takes less than the latter.
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            HeaderName::from_static("cross-origin-embedder-policy"),
            HeaderValue::from_static("require-corp"),
        ),
    ];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_that_a_script_imports_is_built_in() {
        for asset in ASSETS {
            for line in asset.body.lines().filter(|line| line.starts_with("import ")) {
                let name = line.split('"').nth(1).expect("an import names its module");
                let path = name.trim_start_matches('.');
                assert!(ASSETS.iter().any(|other| other.path == path), "{}: {line}", asset.path);
            }
        }
    }

    #[test]
    fn the_page_fetches_nothing_from_elsewhere() {
        for asset in ASSETS {
            let body = asset.body.replace("http://www.w3.org/2000/svg", "");
            assert!(!body.contains("http://") && !body.contains("https://"), "{}", asset.path);
        }
    }
}
