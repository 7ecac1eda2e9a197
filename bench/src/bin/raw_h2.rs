//! Echo of the data of HTTP/2 streams with h2, without a copy: the cost of HTTP/2 itself.

use std::io;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use sockeye_bench::http2::{self, CONNECTION_WINDOW, MAX_STREAMS, STREAM_WINDOW};
use sockeye_bench::mode::Ability;
use sockeye_bench::serve::{self, Arguments};
use tokio::net::TcpStream;

fn main() -> io::Result<()> {
    serve::run(Arguments::parse(&[Ability::Http2])?.address, serve)
}

async fn serve(stream: TcpStream) -> Result<(), h2::Error> {
    let mut connection = Builder::new()
        .enable_connect_protocol()
        .max_concurrent_streams(MAX_STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(stream)
        .await?;
    while let Some(request) = connection.accept().await {
        let (request, answer) = request?;
        http2::spawn(accept(request, answer));
    }
    Ok(())
}

async fn accept(
    request: Request<RecvStream>,
    mut answer: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let send = answer.send_response(Response::new(()), false)?;
    echo(request.into_body(), send).await
}

async fn echo(mut receive: RecvStream, mut send: SendStream<Bytes>) -> Result<(), h2::Error> {
    while let Some(data) = receive.data().await {
        let mut data = data?;
        receive.flow_control().release_capacity(data.len())?;
        while !data.is_empty() {
            send.reserve_capacity(data.len());
            while send.capacity() == 0 {
                match std::future::poll_fn(|cx| send.poll_capacity(cx)).await {
                    Some(capacity) => capacity?,
                    None => return Ok(()),
                };
            }
            let size = send.capacity().min(data.len());
            send.send_data(data.split_to(size), false)?;
        }
    }
    Ok(())
}
