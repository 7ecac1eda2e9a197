//! Echo with web-socket: reads and writes are buffered by tokio (the library buffers neither), and
//! flushed when no more data has been read.

use std::io;

use sockeye_bench::accept::accept;
use sockeye_bench::serve::{self, Arguments};
use tokio::io::{BufReader, BufWriter};
use tokio::net::TcpStream;
use web_socket::{DataType, Event, Frame, MessageType, WebSocket};

/// Size of the buffers: a whole 16 KiB message with its header fits, so that it costs one read.
const BUFFER_SIZE: usize = 32 * 1024;

fn main() -> io::Result<()> {
    serve::run(Arguments::parse(&[])?.address, echo)
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let stream = BufWriter::with_capacity(BUFFER_SIZE, accept(stream).await?);
    let mut socket = WebSocket::server(BufReader::with_capacity(BUFFER_SIZE, stream));
    loop {
        match socket.recv().await? {
            Event::Data { ty: DataType::Complete(MessageType::Text), data } => {
                socket.send_raw(Frame { fin: true, opcode: 1, data: &data }).await?;
            }
            Event::Data { ty: DataType::Complete(MessageType::Binary), data } => {
                socket.send_raw(Frame { fin: true, opcode: 2, data: &data }).await?;
            }
            Event::Ping(data) => socket.send_pong(data).await?,
            Event::Close { code, .. } => return socket.close(code).await,
            Event::Error(rule) => return Err(io::Error::other(rule)),
            // The driver sends neither fragments nor pongs.
            Event::Data { .. } | Event::Pong(_) => {}
        }
        if socket.stream.buffer().is_empty() {
            socket.flash().await?;
        }
    }
}
