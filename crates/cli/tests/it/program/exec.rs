//! Clients of `sockeye exec`.

use serde_json::{Value, json};
use sockeye::{Client, CloseCode, Message, WebSocket};

use super::{Server, sockeye};

/// Starts `sockeye exec` with these flags and this command.
pub(crate) fn start(flags: &[&str], command: &[&str]) -> Server {
    start_on("127.0.0.1:0", flags, command)
}

/// Starts `sockeye exec` on an address.
pub(crate) fn start_on(listen: &str, flags: &[&str], command: &[&str]) -> Server {
    let mut program = sockeye(&["exec", "--listen", listen]);
    program.args(flags).arg("--").args(command);
    Server::start_command(program)
}

/// Starts `sockeye exec` with a script for `sh`.
pub(crate) fn script(flags: &[&str], script: &str) -> Server {
    start(flags, &["sh", "-c", script])
}

/// Returns a client of the server.
pub(crate) fn client(server: &Server) -> Client {
    Client::new(format!("ws://{}/", server.address))
}

/// Connects to the command.
pub(crate) async fn connect(server: &Server) -> WebSocket {
    client(server).connect().await.unwrap()
}

/// Returns the next message as text.
pub(crate) async fn text(ws: &mut WebSocket) -> String {
    match ws.recv().await.unwrap() {
        Some(Message::Text(text)) => text.to_string(),
        other => panic!("{other:?} in place of a text message; {:?}", ws.close_frame()),
    }
}

/// Returns the code and reason with which the server closes, after any messages.
pub(crate) async fn closed(ws: &mut WebSocket) -> (u16, String) {
    while ws.recv().await.unwrap().is_some() {}
    let frame = ws.close_frame().expect("a close frame");
    (u16::from(frame.code), frame.reason.to_string())
}

/// Waits until a process of this number is gone.
pub(crate) async fn gone(pid: &str) {
    let path = format!("/proc/{pid}");
    while std::path::Path::new(&path).exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// A viewer of a terminal over `sockeye.tty.v1`, with a screen.
pub(crate) struct Viewer {
    pub(crate) ws: WebSocket,
    /// The greeting of the server.
    pub(crate) session: Value,
    /// The offset after the output received.
    pub(crate) offset: u64,
    /// All output, without screens.
    pub(crate) output: Vec<u8>,
    pub(crate) screen: vt100::Parser,
    /// The number of whole screens received.
    pub(crate) screens: usize,
    /// The offset after the input sent.
    pub(crate) input: u64,
    /// The offset after the input that the terminal has taken.
    pub(crate) written: u64,
}

impl Viewer {
    pub(crate) async fn open(server: &Server) -> Self {
        Self::attach(client(server), json!({})).await.unwrap()
    }

    /// Attaches with these fields of the first message. Returns the close frame of a refusal.
    pub(crate) async fn attach(client: Client, fields: Value) -> Result<Self, (u16, String)> {
        let mut ws = client.subprotocols(["sockeye.tty.v1"]).connect().await.unwrap();
        let mut hello = json!({ "type": "hello", "columns": 80, "rows": 24 });
        for (name, value) in fields.as_object().unwrap() {
            hello[name] = value.clone();
        }
        ws.send(hello.to_string()).await.unwrap();
        let session = if let Some(message) = ws.recv().await.unwrap() {
            serde_json::from_slice::<Value>(message.as_bytes()).unwrap()
        } else {
            let frame = ws.close_frame().unwrap();
            return Err((u16::from(frame.code), frame.reason.to_string()));
        };
        assert_eq!(session["type"], "session", "{session}");
        let cells = |name: &str| u16::try_from(session[name].as_u64().unwrap()).unwrap();
        let rows = cells("rows").try_into().unwrap();
        let screen = vt100::Parser::new(rows, cells("columns").try_into().unwrap(), 0);
        let offset = session["offset"].as_u64().unwrap();
        let input = session["input"].as_u64().unwrap_or_default();
        let output = Vec::new();
        Ok(Self { ws, session, offset, output, screen, screens: 0, input, written: input })
    }

    pub(crate) async fn enter(&mut self, keys: &str) {
        self.enter_at(self.input, keys.as_bytes()).await;
        self.input += keys.len() as u64;
    }

    /// Sends input with an offset.
    pub(crate) async fn enter_at(&mut self, offset: u64, keys: &[u8]) {
        self.ws.send([&offset.to_be_bytes(), keys].concat()).await.unwrap();
    }

    pub(crate) async fn control(&mut self, message: Value) {
        self.ws.send(message.to_string()).await.unwrap();
    }

    /// Receives a message and acknowledges its output. `false` when the server has closed.
    pub(crate) async fn receive(&mut self) -> bool {
        if !self.receive_silently().await {
            return false;
        }
        let ack = json!({ "type": "ack", "offset": self.offset });
        // The server may close meanwhile.
        let _ = self.ws.send(ack.to_string()).await;
        true
    }

    pub(crate) async fn receive_silently(&mut self) -> bool {
        match self.ws.recv().await.unwrap() {
            Some(Message::Binary(bytes)) => {
                let (offset, bytes) = bytes.split_first_chunk().unwrap();
                assert_eq!(
                    u64::from_be_bytes(*offset),
                    self.offset,
                    "nothing is missing or doubled"
                );
                self.offset += bytes.len() as u64;
                self.output.extend(bytes);
                self.screen.process(bytes);
            }
            Some(Message::Text(text)) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] == "ack" {
                    self.written = message["offset"].as_u64().unwrap();
                }
                if message["type"] == "screen" {
                    self.screens += 1;
                    self.offset = message["offset"].as_u64().unwrap();
                    let (rows, columns) = self.screen.screen().size();
                    self.screen = vt100::Parser::new(rows, columns, 0);
                    self.screen.process(message["data"].as_str().unwrap().as_bytes());
                }
            }
            None => return false,
        }
        true
    }

    /// Receives until the screen shows a text.
    pub(crate) async fn wait_for(&mut self, text: &str) {
        while !self.contents().contains(text) {
            assert!(self.receive().await, "{text:?} never came: {}", self.contents());
        }
    }

    pub(crate) fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    /// Returns the code and reason with which the server closes.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        while self.receive().await {}
        let frame = self.ws.close_frame().expect("a close frame");
        (u16::from(frame.code), frame.reason.to_string())
    }

    /// Returns the fields that resume this session and its input.
    pub(crate) fn resuming(&self) -> Value {
        json!({
            "session": self.session["session"],
            "offset": self.offset,
            "keyboard": self.session["keyboard"],
        })
    }
}

/// Closes with 1000.
pub(crate) async fn leave(ws: &mut WebSocket) {
    ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
}
