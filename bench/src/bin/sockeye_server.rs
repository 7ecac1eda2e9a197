//! Echo as in the first program of the README, with a handler passed to `Server::serve`. The
//! handler calls `send`, or `feed` for comparison.

use std::io;

use sockeye::{Server, WebSocket};
use sockeye_bench::serve::{self, Arguments, WriteMode};

fn main() -> io::Result<()> {
    let arguments = Arguments::parse(&[])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let server = Server::bind(arguments.address).await?;
        serve::print_address(server.local_addr()?);
        match arguments.write_mode {
            WriteMode::Send => server.serve(echo_by_send).await,
            WriteMode::Feed => server.serve(echo_by_feed).await,
        }
    });
    served.map_err(io::Error::other)
}

async fn echo_by_send(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn echo_by_feed(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.feed(message).await?;
    }
    Ok(())
}
