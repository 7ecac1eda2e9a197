//! The page of a terminal, built into the program.

use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($path:literal, $content_type:expr, $file:literal) => {
        ($path, $content_type, include_str!(concat!("../../../page/", $file)))
    };
}

/// The path, content type and text of each asset.
const ASSETS: &[(&str, &str, &str)] = &[
    asset!("/", HTML, "terminal.html"),
    asset!("/icon.svg", SVG, "icon.svg"),
    asset!("/style.css", CSS, "style.css"),
    asset!("/terminal.css", CSS, "terminal.css"),
    asset!("/terminal.js", SCRIPT, "terminal.js"),
    asset!("/terminal-input.js", SCRIPT, "terminal-input.js"),
    asset!("/terminal-session.js", SCRIPT, "terminal-session.js"),
    asset!("/xterm/addon-fit.mjs", SCRIPT, "xterm/addon-fit.mjs"),
    asset!("/xterm/xterm.css", CSS, "xterm/xterm.css"),
    asset!("/xterm/xterm.mjs", SCRIPT, "xterm/xterm.mjs"),
];

/// The content security policy: the page loads everything from this server. xterm.js makes elements
/// with the styles of its rows; scripts cannot come that way.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Returns the response with the asset at a path.
pub(super) fn asset(path: &str) -> Option<Response> {
    let (_, content_type, text) = ASSETS.iter().find(|(known, ..)| *known == path)?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Some((headers, *text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_that_a_script_imports_is_built_in() {
        for (path, _, text) in ASSETS.iter().filter(|(path, ..)| !path.starts_with("/xterm/")) {
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let name = line.split('"').nth(1).expect("an import names its module");
                let imported = name.trim_start_matches('.');
                assert!(ASSETS.iter().any(|(known, ..)| *known == imported), "{path}: {line}");
            }
        }
    }

    #[test]
    fn the_page_fetches_nothing_from_elsewhere() {
        for (path, _, text) in ASSETS.iter().filter(|(path, ..)| !path.starts_with("/xterm/")) {
            let text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("http://") && !text.contains("https://"), "{path}");
        }
    }
}
