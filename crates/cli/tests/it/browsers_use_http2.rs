//! Browsers open WebSockets on the HTTP/2 connection that the page came over: the server's log
//! says so, and the page works.

use crate::browser;

#[test]
fn chromium_opens_websockets_over_http2() {
    browser::drive("http2-chromium.mjs", &browser::CHROMIUM);
}

#[test]
fn firefox_opens_websockets_over_http2() {
    browser::drive("http2-firefox.mjs", &browser::FIREFOX);
}
