//! The demo in the browser: the service's stubs over a WebSocket, callable from JavaScript.
//!
//! Each method begins a call and returns it at once: `done` is a promise of its end, and `cancel()`
//! ends it.

#![cfg(target_family = "wasm")]

mod call;
mod chat;
mod hello;
mod upload;

use js_sys::Function;
use sockeye_demo::v1::TickRequest;
use sockeye_demo::v1::demo_client::DemoClient;
use sockeye_grpc::Channel;
use wasm_bindgen::prelude::*;

use call::{Call, js_error, notify};
use chat::Chat;

/// A connection to the demo's service. Reconnects automatically when lost.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Demo {
    client: DemoClient<Channel>,
}

#[wasm_bindgen]
impl Demo {
    /// Connects to `url`, such as `ws://127.0.0.1:8080/grpc`.
    ///
    /// # Errors
    /// An `Error` with the reason, if the connection cannot be opened.
    pub async fn connect(url: String) -> Result<Self, JsError> {
        let channel = sockeye_grpc::connect(&url).await?;
        Ok(Self { client: DemoClient::new(channel) })
    }

    /// Calls `SayHello` `calls` times, one after the other. `progress` is called with the
    /// milliseconds of each call, for several calls at a time, as a `Float64Array`.
    pub fn hello(&self, name: String, calls: u32, progress: Function) -> Call {
        Call::begin(hello::run(self.client.clone(), name, calls, progress))
    }

    /// Ticks every `interval` milliseconds until cancelled. `tick` is called with the number of
    /// each tick.
    pub fn tick(&self, interval: u32, tick: Function) -> Call {
        let mut client = self.client.clone();
        Call::begin(async move {
            let request = TickRequest { interval_milliseconds: interval };
            let mut ticks = client.tick(request).await.map_err(js_error)?.into_inner();
            while let Some(reply) = ticks.message().await.map_err(js_error)? {
                // JavaScript numbers represent every reachable count of ticks exactly.
                #[allow(
                    clippy::cast_precision_loss,
                    reason = "2^53 ticks take hundreds of thousands of years"
                )]
                notify(&tick, &(reply.number as f64).into())?;
            }
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Uploads `file`. `progress` is called with the number of bytes read so far; `done` resolves
    /// to `{ length, sha256 }`.
    pub fn upload(&self, file: web_sys::Blob, progress: Function) -> Call {
        Call::begin(upload::run(self.client.clone(), file, progress))
    }

    /// Joins the chat. `on_event` is called with the name and the text of each line, or with the
    /// number of missed lines.
    pub fn chat(&self, on_event: Function) -> Chat {
        Chat::join(self.client.clone(), on_event)
    }
}
