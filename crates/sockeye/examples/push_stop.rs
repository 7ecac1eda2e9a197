//! A handler server that stops at a line on its input, and prints what became of its connections.
//!
//!     cargo run --release -p sockeye --example push_stop

use std::time::Duration;
use std::{io, thread};

use sockeye::Shutdown;
use sockeye::push::{Callbacks, Server};
use sockeye::upgrade::HostPolicy;

fn main() -> sockeye::Result<()> {
    let echo = Callbacks::new().on_message(|connection, message| {
        connection.send(message);
    });
    let listening = Server::new(move || echo.clone())
        .allow_hosts(HostPolicy::loopback())
        .max_connections_per_address(100)
        .shutdown(Shutdown::restart().timeout(Duration::from_secs(10)))
        .listen("127.0.0.1:8080")?;
    println!("listening on {}; stops at the next line", listening.local_addr()?);
    let server_handle = listening.handle();
    thread::spawn(move || {
        let _ = io::stdin().read_line(&mut String::new());
        server_handle.stop();
    });
    println!("{}", listening.run_until_stopped()?);
    Ok(())
}
