//! The chat page in Chromium: in `browser/chat.mjs` two clients chat, lose their connections and
//! recover. Screenshots are left in `target/screenshots`.

use crate::browser;

#[test]
fn two_clients_chat_lose_their_connections_and_recover() {
    browser::run_script("chat.mjs", &browser::CHROMIUM);
}
