//! The page of a terminal in Chromium: `browser/terminal.mjs` types, reloads, loses its network,
//! logs in and sees the end of the process. Screenshots are left in `target/screenshots`.
#![cfg(target_os = "linux")]

use crate::browser;

#[test]
fn the_terminal_works_in_a_browser() {
    browser::run_script("terminal.mjs", &browser::CHROMIUM);
}
