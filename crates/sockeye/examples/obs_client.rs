//! Controls OBS Studio by its WebSocket protocol (version 5): prints the scenes, and switches to
//! the one that is named.
//!
//!     OBS_PASSWORD=… cargo run -p sockeye --example obs_client -- ws://127.0.0.1:4455 "Scene 2"

use std::error::Error;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use sockeye::{Client, WebSocket};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The version of the requests that this program knows.
const RPC_VERSION: u32 = 1;

// Each message is `{"op":…,"d":…}`.
const HELLO: u64 = 0;
const IDENTIFY: u64 = 1;
const IDENTIFIED: u64 = 2;
const REQUEST: u64 = 6;
const RESPONSE: u64 = 7;

#[tokio::main]
async fn main() -> Result {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "ws://127.0.0.1:4455".into());
    let password = std::env::var("OBS_PASSWORD").ok();
    let mut obs = Obs::connect(&url, password.as_deref()).await?;
    for scene in obs.scenes().await? {
        println!("{scene}");
    }
    if let Some(scene) = arguments.next() {
        obs.switch_to(&scene).await?;
    }
    Ok(())
}

/// A connection to OBS Studio that has identified itself.
pub(crate) struct Obs {
    ws: WebSocket,
    next_id: u64,
}

impl Obs {
    pub(crate) async fn connect(url: &str, password: Option<&str>) -> Result<Self> {
        let mut ws = Client::new(url).subprotocols(["obswebsocket.json"]).connect().await?;
        let hello = receive(&mut ws, HELLO).await?;
        // Of the events, none is asked for.
        let mut identify = json!({ "rpcVersion": RPC_VERSION, "eventSubscriptions": 0 });
        if let Some(asked) = hello.get("authentication") {
            let password = password.ok_or("OBS asks for a password: set OBS_PASSWORD")?;
            let (salt, challenge) = (text(&asked["salt"])?, text(&asked["challenge"])?);
            identify["authentication"] = authentication(password, salt, challenge).into();
        }
        send(&mut ws, IDENTIFY, identify).await?;
        receive(&mut ws, IDENTIFIED).await?;
        Ok(Self { ws, next_id: 1 })
    }

    pub(crate) async fn scenes(&mut self) -> Result<Vec<String>> {
        let list = self.request("GetSceneList", json!({})).await?;
        let scenes = list["scenes"].as_array().ok_or("OBS sent no list of scenes")?;
        scenes.iter().map(|scene| Ok(text(&scene["sceneName"])?.to_owned())).collect()
    }

    pub(crate) async fn switch_to(&mut self, scene: &str) -> Result {
        self.request("SetCurrentProgramScene", json!({ "sceneName": scene })).await?;
        Ok(())
    }

    /// Makes a request and waits for its response.
    async fn request(&mut self, kind: &str, data: Value) -> Result<Value> {
        let id = self.next_id.to_string();
        self.next_id += 1;
        let request = json!({ "requestType": kind, "requestId": id, "requestData": data });
        send(&mut self.ws, REQUEST, request).await?;
        loop {
            let mut response = receive(&mut self.ws, RESPONSE).await?;
            // The response to a request whose future was dropped may come first.
            if response["requestId"] != id.as_str() {
                continue;
            }
            let status = &response["requestStatus"];
            if status["result"] != true {
                let comment = status["comment"].as_str().unwrap_or("no comment");
                return Err(format!("{kind} failed with {}: {comment}", status["code"]).into());
            }
            return Ok(response["responseData"].take());
        }
    }
}

async fn send(ws: &mut WebSocket, op: u64, data: Value) -> Result {
    ws.send(json!({ "op": op, "d": data }).to_string()).await?;
    Ok(())
}

/// Returns the data of the next message of a kind. Others, such as events, are skipped.
async fn receive(ws: &mut WebSocket, op: u64) -> Result<Value> {
    while let Some(message) = ws.recv().await? {
        let mut message: Value = serde_json::from_slice(message.as_bytes())?;
        if message["op"] == op {
            return Ok(message["d"].take());
        }
    }
    // 4009 is a wrong password.
    let frame = ws.close_frame().map(ToString::to_string);
    Err(format!("OBS closed the connection: {}", frame.unwrap_or_default()).into())
}

/// Proves that the program knows the password, without sending it.
fn authentication(password: &str, salt: &str, challenge: &str) -> String {
    let hash = |text: String| BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
    let secret = hash(format!("{password}{salt}"));
    hash(format!("{secret}{challenge}"))
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().ok_or_else(|| format!("OBS sent {value} where a text was expected").into())
}
