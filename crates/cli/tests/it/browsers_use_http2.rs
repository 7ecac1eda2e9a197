//! Browsers open WebSockets on the HTTP/2 connection that the page came over, as the server's log
//! shows, and the page works.

use crate::browser;

#[test]
fn chromium_opens_websockets_over_http2() {
    browser::run_script("http2-chromium.mjs", &browser::CHROMIUM);
}

#[test]
#[ignore = "slow: ci/browsers.sh runs it"]
fn firefox_opens_websockets_over_http2() {
    browser::run_script("http2-firefox.mjs", &browser::FIREFOX);
}
