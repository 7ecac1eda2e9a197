//! The demo in the browser: the service's stubs over a WebSocket, as JavaScript calls them.
//!
//! Each method begins a call and returns it at once: `done` is a promise of its end, `cancel()` ends it now.

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

use call::{Call, failure, told};
use chat::Chat;

/// A connection to the demo's service. It opens again by itself when it was lost.
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
    /// Why not, as an `Error`.
    pub async fn connect(url: String) -> Result<Self, JsError> {
        let channel = sockeye_grpc::connect(&url).await?;
        Ok(Self { client: DemoClient::new(channel) })
    }

    /// Greets `calls` times, one after the other. `progress` is given the milliseconds of each call, some calls at a
    /// time, as a `Float64Array`.
    pub fn hello(&self, name: String, calls: u32, progress: Function) -> Call {
        Call::begin(hello::run(self.client.clone(), name, calls, progress))
    }

    /// Ticks every `interval` milliseconds until it is cancelled. `tick` is given the number of each.
    pub fn tick(&self, interval: u32, tick: Function) -> Call {
        let mut client = self.client.clone();
        Call::begin(async move {
            let request = TickRequest { interval_milliseconds: interval };
            let mut ticks = client.tick(request).await.map_err(failure)?.into_inner();
            while let Some(reply) = ticks.message().await.map_err(failure)? {
                // Ticks that can be counted are numbers that JavaScript can hold.
                #[allow(
                    clippy::cast_precision_loss,
                    reason = "2^53 ticks take longer than anybody waits"
                )]
                told(&tick, &(reply.number as f64).into())?;
            }
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Sends `file`. `progress` is given how many bytes were read so far; `done` brings `{ length, sha256 }`.
    pub fn upload(&self, file: web_sys::Blob, progress: Function) -> Call {
        Call::begin(upload::run(self.client.clone(), file, progress))
    }

    /// Joins the chat. `heard` is given the name and the text of each line, or the number of lines that were missed.
    pub fn chat(&self, heard: Function) -> Chat {
        Chat::join(self.client.clone(), heard)
    }
}
