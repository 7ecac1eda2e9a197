//! The rivals: the program of each, and a process that is killed when its handle is dropped.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sockeye_load::{DeflateMode, WireProtocol};

use crate::mode::Mode;

/// An echo server in the race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    /// The name in tables and on the command line.
    pub name: &'static str,
    /// The file name of the program, in the same folder as the runner.
    pub program: &'static str,
    /// Arguments after the address.
    pub arguments: &'static [&'static str],
    /// The protocol that the rival speaks.
    pub protocol: WireProtocol,
    /// The versions of HTTP that the rival can be started with; a bare server speaks none where
    /// none is needed.
    pub http: HttpVersions,
    /// The kinds of permessage-deflate that the rival can be started with.
    pub deflate: &'static [DeflateMode],
    /// `true` if the rival can be started with TLS.
    pub tls: bool,
    /// `true` if the rival can be started with fan-out of every message to all connections.
    pub fan_out: bool,
    /// `true` if the rival can be started without fan-out.
    pub echo: bool,
    /// The script that builds the rival, if not `cargo build`. A rival that has not been built is
    /// skipped.
    pub build_script: Option<&'static str>,
}

/// Versions of HTTP that a rival can be started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersions {
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only.
    Http2,
    /// HTTP/1.1 and HTTP/2.
    Both,
}

/// The rivals that ratios are relative to: over HTTP/1.1, and over HTTP/2.
pub const BASELINES: [&str; 2] = ["raw-epoll", "raw-h2"];

/// The script that builds the rivals in other languages.
const FOREIGN_BUILD_SCRIPT: &str = "./build-rivals.sh";

/// Every rival: the baselines first, then Sockeye.
pub const ALL: &[Rival] = &[
    Rival { fan_out: true, ..raw(BASELINES[0], "raw_epoll") },
    raw("raw-tokio", "raw_tokio"),
    Rival { http: HttpVersions::Http2, ..raw(BASELINES[1], "raw_h2") },
    Rival { http: HttpVersions::Http2, ..raw("raw-hyper", "raw_hyper") },
    Rival {
        deflate: DeflateMode::ALL,
        tls: true,
        fan_out: true,
        ..websocket("sockeye-push", "sockeye_push", &[])
    },
    Rival {
        deflate: DeflateMode::ALL,
        tls: true,
        fan_out: true,
        ..websocket("sockeye-push (io_uring)", "sockeye_push", &["io-uring"])
    },
    hub("sockeye-hub (push)", &["push"]),
    hub("sockeye-hub (server)", &["server"]),
    hub("sockeye-hub (axum)", &["axum"]),
    Rival {
        deflate: DeflateMode::ALL,
        tls: true,
        http: HttpVersions::Both,
        ..websocket("sockeye-pull", "sockeye_pull", &["feed"])
    },
    Rival {
        http: HttpVersions::Both,
        ..websocket("sockeye-pull (send)", "sockeye_pull", &["send"])
    },
    websocket("sockeye-server", "sockeye_server", &["send"]),
    websocket("sockeye-server (feed)", "sockeye_server", &["feed"]),
    Rival {
        tls: true,
        fan_out: true,
        ..websocket("tokio-tungstenite", "tokio_tungstenite", &["feed"])
    },
    websocket("tokio-tungstenite (send)", "tokio_tungstenite", &["send"]),
    websocket("fastwebsockets", "fastwebsockets", &[]),
    Rival { tls: true, ..websocket("tokio-websockets", "tokio_websockets", &["feed"]) },
    websocket("web-socket", "web_socket", &[]),
    Rival {
        deflate: DeflateMode::ALL,
        http: HttpVersions::Both,
        ..websocket("sockudo-ws", "sockudo_ws", &["feed"])
    },
    websocket("sockudo-ws (protocol)", "sockudo_protocol", &[]),
    Rival {
        deflate: DeflateMode::ALL,
        http: HttpVersions::Both,
        ..websocket("yawc", "yawc", &["feed"])
    },
    Rival {
        deflate: DeflateMode::ALL,
        tls: true,
        fan_out: true,
        build_script: Some(FOREIGN_BUILD_SCRIPT),
        ..websocket("uWebSockets", "uwebsockets", &[])
    },
    Rival {
        deflate: &[DeflateMode::NoTakeover],
        tls: true,
        fan_out: true,
        build_script: Some(FOREIGN_BUILD_SCRIPT),
        ..websocket("gorilla", "gorilla", &[])
    },
    Rival { http: HttpVersions::Both, fan_out: true, ..websocket("axum", "axum", &["feed"]) },
    Rival { http: HttpVersions::Both, ..websocket("axum (send)", "axum", &["send"]) },
    Rival {
        protocol: WireProtocol::SocketIo,
        fan_out: true,
        echo: false,
        ..websocket("socketioxide", "socketioxide", &[])
    },
];

const fn raw(name: &'static str, program: &'static str) -> Rival {
    Rival { protocol: WireProtocol::Raw, ..websocket(name, program, &[]) }
}

/// Returns a server whose connections are members of one room of a hub.
const fn hub(name: &'static str, arguments: &'static [&'static str]) -> Rival {
    Rival { fan_out: true, echo: false, ..websocket(name, "sockeye_hub", arguments) }
}

const fn websocket(
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
) -> Rival {
    Rival {
        name,
        program,
        arguments,
        protocol: WireProtocol::WebSocket,
        http: HttpVersions::Http1,
        deflate: &[],
        tls: false,
        fan_out: false,
        echo: true,
        build_script: None,
    }
}

impl Rival {
    /// Returns whether the rival can be started in `mode`.
    pub fn supports(&self, mode: &Mode) -> bool {
        let http = if mode.http2 { HttpVersions::Http2 } else { HttpVersions::Http1 };
        [http, HttpVersions::Both].contains(&self.http)
            && mode.deflate.is_none_or(|deflate| self.deflate.contains(&deflate))
            && (mode.tls.is_none() || self.tls)
            && if mode.fan_out { self.fan_out } else { self.echo }
    }

    /// Returns whether the rival's program has been built into `folder`.
    pub fn is_built(&self, folder: &Path) -> bool {
        folder.join(self.program).is_file()
    }
}

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct RunningServer {
    child: Child,
    address: SocketAddr,
}

impl RunningServer {
    /// Starts the rival's program from `folder` in `mode` on a free port, and waits until the
    /// server listens. The process inherits the cores of the calling thread.
    ///
    /// # Errors
    ///
    /// If the program cannot be started, ends before it listens, or prints anything else first.
    pub fn start(rival: &Rival, mode: &Mode, folder: &Path) -> io::Result<Self> {
        let mut child = Command::new(folder.join(rival.program))
            .arg("127.0.0.1:0")
            .args(rival.arguments)
            .args(mode.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        let read = match child.stdout.take() {
            Some(stdout) => BufReader::new(stdout).read_line(&mut line),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        let address = line.trim().strip_prefix("listening on ").and_then(|text| text.parse().ok());
        match (read, address) {
            (Ok(_), Some(address)) => Ok(Self { child, address }),
            (read, _) => {
                kill(&mut child);
                Err(read.err().unwrap_or_else(|| io::ErrorKind::InvalidData.into()))
            }
        }
    }

    /// Returns the address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the server's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

/// Kills and reaps the child. Errors are ignored, as the child has then ended already.
fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
