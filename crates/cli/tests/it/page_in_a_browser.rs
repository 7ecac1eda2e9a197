//! The page in Chromium: `browser/page.mjs` types, reads, sends a file, kills the server and sees
//! the page reconnect. Screenshots are left in `target/screenshots`.

use crate::browser;

#[test]
fn the_page_works_in_a_browser() {
    browser::run_script("page.mjs", &browser::CHROMIUM);
}
