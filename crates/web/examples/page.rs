//! A page that talks to an echo server, by messages and then over a byte stream, and logs to the
//! browser's console.
//!
//!     cargo run -p sockeye-web --example test_peer
//!     cargo build -p sockeye-web --example page --target wasm32-unknown-unknown
//!     wasm-bindgen --target web --out-dir page target/wasm32-unknown-unknown/debug/examples/page.wasm
//!     echo '<script type="module">import init from "./page.js"; init();</script>' >page/index.html
//!     python3 -m http.server --bind 127.0.0.1 --directory page 8000
//!
//! Then open `http://127.0.0.1:8000/?ws://127.0.0.1:PORT/echo`, with the port that the first
//! command printed.

#[cfg(target_family = "wasm")]
mod page {
    use sockeye_proto::CloseCode;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

    fn log(text: &str) {
        web_sys::console::log_1(&text.into());
    }

    async fn messages(url: &str) -> Result<()> {
        let mut ws = sockeye_web::connect(url).await?;
        for number in 1..=3 {
            ws.send(format!("salmon {number}")).await?;
            if let Some(message) = ws.recv().await? {
                log(&message.to_string());
            }
        }
        Ok(ws.close(CloseCode::NORMAL_CLOSURE, "").await?)
    }

    async fn bytes(url: &str) -> Result<()> {
        let mut stream = sockeye_web::connect(url).await?.into_byte_stream();
        stream.write_all(b"both ways").await?;
        stream.flush().await?;
        let mut bytes = [0; 9];
        stream.read_exact(&mut bytes).await?;
        log(&String::from_utf8_lossy(&bytes));
        Ok(stream.shutdown().await?)
    }

    pub(super) async fn run() {
        let location = web_sys::window().expect("this is a page").location();
        let url = location.search().unwrap_or_default();
        let url = url.trim_start_matches('?');
        for result in [messages(url).await, bytes(url).await] {
            if let Err(error) = result {
                log(&format!("failed: {error}"));
            }
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
