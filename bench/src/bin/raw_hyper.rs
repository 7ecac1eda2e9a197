//! Echo of the data of HTTP/2 streams as hyper provides them: the baseline for a server on hyper.

use std::convert::Infallible;
use std::io;

use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sockeye_bench::http2;
use sockeye_bench::mode::Ability;
use sockeye_bench::serve::Arguments;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Size of the read buffer: more than a frame of HTTP/2 holds.
const BUFFER_SIZE: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let arguments = Arguments::parse(&[Ability::Http2])?;
    http2::run(arguments.address, service_fn(accept))
}

async fn accept(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    http2::spawn(echo(request));
    Ok(Response::new(Empty::new()))
}

async fn echo(request: Request<Incoming>) -> io::Result<()> {
    let upgraded = hyper::upgrade::on(request).await.map_err(io::Error::other)?;
    let mut stream = TokioIo::new(upgraded);
    let mut buffer = vec![0; BUFFER_SIZE];
    loop {
        let size = stream.read(&mut buffer).await?;
        if size == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..size]).await?;
    }
}
