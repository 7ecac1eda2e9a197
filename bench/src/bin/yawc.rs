//! Echo with yawc: `feed`, and one `flush` when no more messages are ready, with the buffer sizes
//! of its own benchmark server, or `send`.

use std::convert::Infallible;
use std::io;
use std::sync::LazyLock;

use futures_util::StreamExt;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use sockeye_bench::accept::accept_deflate;
use sockeye_bench::mode::Ability;
use sockeye_bench::serve::{self, Arguments, WriteMode};
use sockeye_bench::{echo, http2};
use sockeye_load::DeflateMode;
use tokio::net::TcpStream;
use yawc::{
    CompressionLevel, DeflatePool, Frame, OpCode, Options, Result, Role, WebSocket, WebSocketError,
};

/// Measured: at 16 KiB with 16 in flight, this costs half as much as the default of 8 KiB.
const READ_BUFFER_CAPACITY: usize = 128 * 1024;
const BACKPRESSURE_BOUNDARY: usize = 64 * 1024;

/// Maximum payload length; the default limit is exclusive and rejects a frame of 1 MiB.
const PAYLOAD_LIMIT: usize = 64 * 1024 * 1024;

/// Measured: halves the cost of a message of 1 KiB without context takeover. One thread needs no
/// more than 4.
static DEFLATE_POOL: LazyLock<DeflatePool> = LazyLock::new(|| DeflatePool::new(4));

fn main() -> io::Result<()> {
    let arguments = Arguments::parse(&[Ability::Deflate, Ability::Http2])?;
    let deflate = arguments.mode.deflate;
    match arguments.write_mode {
        _ if arguments.mode.http2 => http2::run(
            arguments.address,
            service_fn(async |request| Ok::<_, Infallible>(accept(request))),
        ),
        WriteMode::Send => serve::run(arguments.address, move |stream| send(stream, deflate)),
        WriteMode::Feed => serve::run(arguments.address, move |stream| feed(stream, deflate)),
    }
}

async fn send(stream: TcpStream, deflate: Option<DeflateMode>) -> Result<()> {
    echo::send(upgrade(stream, deflate).await?.map(Ok), is_data).await
}

async fn feed(stream: TcpStream, deflate: Option<DeflateMode>) -> Result<()> {
    echo::feed(upgrade(stream, deflate).await?.map(Ok), is_data).await
}

/// Accepts a request over HTTP/2, and echoes with `feed`.
fn accept(request: Request<Incoming>) -> Response<Empty<Bytes>> {
    match WebSocket::upgrade_with_options(request, options(None)) {
        Ok((response, upgrading)) => {
            http2::spawn(async { echo::feed(upgrading.await?.map(Ok), is_data).await });
            response
        }
        Err(error) => {
            eprintln!("not upgraded: {error}");
            let mut response = Response::new(Empty::new());
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        }
    }
}

async fn upgrade(stream: TcpStream, deflate: Option<DeflateMode>) -> Result<WebSocket<TcpStream>> {
    let stream = accept_deflate(stream, deflate).await.map_err(WebSocketError::from)?;
    let agreement = deflate.map(DeflateMode::offer);
    WebSocket::from_stream_with_extensions(stream, Role::Server, agreement, options(deflate))
}

fn options(deflate: Option<DeflateMode>) -> Options {
    let options = Options::default()
        .with_utf8()
        .with_limits(PAYLOAD_LIMIT, 2 * PAYLOAD_LIMIT)
        .with_read_buffer_capacity(READ_BUFFER_CAPACITY)
        .with_backpressure_boundary(BACKPRESSURE_BOUNDARY);
    match deflate {
        None => options.without_compression(),
        Some(DeflateMode::Takeover) => options.with_compression_level(CompressionLevel::fast()),
        Some(DeflateMode::NoTakeover) => options
            .with_compression_level(CompressionLevel::fast())
            .server_no_context_takeover()
            .client_no_context_takeover()
            .with_deflate_pool(DEFLATE_POOL.clone()),
    }
}

fn is_data(frame: &Frame) -> bool {
    matches!(frame.opcode(), OpCode::Text | OpCode::Binary)
}
