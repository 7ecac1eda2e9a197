//! The gRPC demo in Chromium: `browser/demo.mjs` makes thousands of calls, chats with itself,
//! cancels, uploads, and stops the server. Screenshots are left in `target/screenshots`.

use crate::browser;

#[test]
fn the_demo_works_in_a_browser() {
    if !browser::demo().join("client.js").is_file() {
        return browser::missing("target/demo, the demo's client", "demo/build.sh builds it");
    }
    browser::run_script("demo.mjs", &browser::CHROMIUM);
}
