//! Echoes every message with callbacks, on one worker per core: the fastest way to serve.
//!
//!     cargo run --release -p sockeye --example push -- 127.0.0.1:8080

use sockeye::MessageRef;
use sockeye::push::{Connection, Handler, Server};
use sockeye::upgrade::HostPolicy;

struct Echo;

impl Handler for Echo {
    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        connection.send(message);
    }
}

fn main() -> sockeye::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let listening = Server::new(|| Echo)
        .allow_hosts(HostPolicy::loopback().allow_addresses())
        .listen(address)?;
    println!("listening on {}", listening.local_addr()?);
    listening.run()
}
