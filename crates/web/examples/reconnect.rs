//! A page that stays connected to a server across restarts, and logs events to the browser's
//! console.
//!
//!     cargo run -p sockeye-web --example test_peer
//!     cargo build -p sockeye-web --example reconnect --target wasm32-unknown-unknown
//!     wasm-bindgen --target web --out-dir page target/wasm32-unknown-unknown/debug/examples/reconnect.wasm
//!     echo '<script type="module">import init from "./reconnect.js"; init();</script>' >page/index.html
//!     python3 -m http.server --bind 127.0.0.1 --directory page 8000
//!
//! Then open `http://127.0.0.1:8000/?ws://127.0.0.1:PORT/echo`, with the port that the first
//! command printed, and stop the server.

#[cfg(target_family = "wasm")]
mod page {
    use sockeye_web::Client;
    use sockeye_web::reconnect::{Backoff, Event, Reconnecting};

    fn log(text: &str) {
        web_sys::console::log_1(&text.into());
    }

    async fn feed(url: &str) -> sockeye_web::Result<()> {
        let mut feed = Reconnecting::new(Client::new(url))
            .backoff(Backoff::new().max_attempts(Some(10)))
            // A page cannot send headers: credentials go among the subprotocols, or in the URL.
            .before_attempt(|attempt, client| async move {
                Ok(client.subprotocols(["chat.v2".into(), format!("bearer.token-{attempt}")]))
            });
        while let Some(event) = feed.next().await? {
            match event {
                Event::Scheduled { attempt, delay } => {
                    log(&format!("attempt {attempt} in {delay:.1?}"))
                }
                // State that the server needs is sent again on each connection.
                Event::Connected => feed.send("hello").await?,
                Event::Message(message) => log(&message.to_string()),
                other => log(&format!("{other:?}")),
            }
        }
        Ok(())
    }

    pub(super) async fn run() {
        let location = web_sys::window().expect("this is a page").location();
        let url = location.search().unwrap_or_default();
        if let Err(error) = feed(url.trim_start_matches('?')).await {
            log(&format!("failed: {error}"));
        }
    }
}

#[cfg(target_family = "wasm")]
fn main() {
    wasm_bindgen_futures::spawn_local(page::run());
}

/// This example runs in browsers only.
#[cfg(not(target_family = "wasm"))]
fn main() {}
