//! Echo with Sockeye's handler server on one worker, on epoll or `io_uring`; with `--fan-out`,
//! every message goes to all connections.

use sockeye::MessageRef;
use sockeye::push::{Backend, Connection, Handler, Server};
use sockeye::upgrade::Options;
use sockeye_bench::mode::Ability;
use sockeye_bench::serve::{self, Arguments};
use sockeye_load::DeflateMode;

struct Echo;

impl Handler for Echo {
    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        connection.send(message);
    }
}

struct FanOut;

impl Handler for FanOut {
    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        if let Err(error) = connection.broadcast(message) {
            eprintln!("not sent to all: {error}");
        }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse(&[Ability::Deflate, Ability::Tls, Ability::FanOut])?;
    if arguments.mode.fan_out { run(&arguments, || FanOut) } else { run(&arguments, || Echo) }
}

fn run<H: Handler>(
    arguments: &Arguments,
    make: impl Fn() -> H + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let backend = if arguments.io_uring { Backend::IoUring } else { Backend::Readiness };
    let mut server = Server::new(make).backend(backend).workers(1).max_connections(20_000);
    if let Some(deflate) = arguments.mode.deflate {
        let no_takeover = deflate == DeflateMode::NoTakeover;
        let deflate = sockeye::Deflate::new()
            .no_context_takeover(no_takeover)
            .peer_no_context_takeover(no_takeover);
        server = server.options(Options::new().deflate(deflate.threshold(0)));
    }
    if let Some(certificate) = &arguments.mode.tls {
        server = server.tls(serve::tls_config(certificate)?);
    }
    let listening = server.listen(arguments.address)?;
    serve::print_address(listening.local_addr()?);
    listening.run()?;
    Ok(())
}
