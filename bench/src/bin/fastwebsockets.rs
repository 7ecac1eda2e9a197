//! Echo with fastwebsockets: directly on the TCP stream, with vectored writes, one write per
//! message (its writes are not buffered, and a read cannot be cancelled to flush them).

use std::io;

use fastwebsockets::{FragmentCollector, OpCode, Role, WebSocket, WebSocketError};
use sockeye_bench::accept::accept;
use sockeye_bench::serve::{self, Arguments};
use tokio::net::TcpStream;

fn main() -> io::Result<()> {
    serve::run(Arguments::parse(&[])?.address, echo)
}

async fn echo(stream: TcpStream) -> Result<(), WebSocketError> {
    let mut socket = WebSocket::after_handshake(accept(stream).await?, Role::Server);
    socket.set_writev(true);
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}
