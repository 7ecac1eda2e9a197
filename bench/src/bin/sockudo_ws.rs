//! Echo with sockudo-ws: `feed`, which its `next` flushes when it has to wait, as its README shows,
//! or `send`.

use std::io;

use futures_util::{SinkExt, StreamExt};
use sockeye_bench::accept::{accept, accept_deflate};
use sockeye_bench::echo;
use sockeye_bench::http2::{CONNECTION_WINDOW, MAX_STREAMS, STREAM_WINDOW};
use sockeye_bench::mode::Ability;
use sockeye_bench::serve::{self, Arguments, WriteMode};
use sockeye_load::DeflateMode;
use sockudo_ws::deflate::DeflateConfig;
use sockudo_ws::{
    CompressedWebSocketStream, Config, Error, Http2, Message, Stream, WebSocketServer,
    WebSocketStream,
};
use tokio::net::TcpStream;
use tokio::task::unconstrained;

fn main() -> io::Result<()> {
    let arguments = Arguments::parse(&[Ability::Deflate, Ability::Http2])?;
    if arguments.mode.http2 {
        return serve::run(arguments.address, serve_http2);
    }
    match (arguments.mode.deflate, arguments.write_mode) {
        (Some(deflate), _) => {
            serve::run(arguments.address, move |stream| compressed(stream, deflate))
        }
        (None, WriteMode::Send) => serve::run(arguments.address, send),
        (None, WriteMode::Feed) => serve::run(arguments.address, feed),
    }
}

async fn send(stream: TcpStream) -> Result<(), Error> {
    echo::send(WebSocketStream::server(accept(stream).await?, config()), is_data).await
}

async fn feed(stream: TcpStream) -> Result<(), Error> {
    let mut socket = WebSocketStream::server(accept(stream).await?, config());
    while let Some(message) = socket.next().await {
        let message = message?;
        if is_data(&message) {
            socket.feed(message).await?;
        }
    }
    Ok(())
}

/// Serves HTTP/2 with the library's own server.
async fn serve_http2(stream: TcpStream) -> Result<(), Error> {
    let server = WebSocketServer::<Http2>::new(config());
    server.serve(stream, |socket, _| unconstrained(echo_http2(socket))).await
}

async fn echo_http2(mut socket: WebSocketStream<Stream<Http2>>) {
    while let Some(message) = socket.next().await {
        // The library's server does not let the handler return errors.
        let Ok(message) = message else { return };
        if is_data(&message) && socket.feed(message).await.is_err() {
            return;
        }
    }
}

async fn compressed(stream: TcpStream, deflate: DeflateMode) -> Result<(), Error> {
    let stream = accept_deflate(stream, Some(deflate)).await?;
    let no_takeover = deflate == DeflateMode::NoTakeover;
    let deflate = DeflateConfig {
        server_no_context_takeover: no_takeover,
        client_no_context_takeover: no_takeover,
        compression_level: 1,
        compression_threshold: 0,
        ..DeflateConfig::default()
    };
    echo::feed(CompressedWebSocketStream::server(stream, config(), deflate), is_data).await
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

/// Returns a configuration without pings and idle timeout, as the timeout would read the clock at
/// every message.
fn config() -> Config {
    Config::builder()
        .auto_ping(false)
        .idle_timeout(0)
        .http2_stream_window_size(STREAM_WINDOW)
        .http2_connection_window_size(CONNECTION_WINDOW)
        .http2_max_streams(MAX_STREAMS)
        .build()
}
