//! A chat with callbacks: every message goes to all connections.
//!
//!     cargo run --release -p sockeye --example push_chat -- 127.0.0.1:8080

use sockeye::MessageRef;
use sockeye::push::{Callbacks, Connection, HandleError, Server};
use sockeye::upgrade::HostPolicy;

/// The name of a connection's user.
struct Name(String);

fn main() -> sockeye::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let chat = Callbacks::new()
        .on_open(|connection, request| {
            // ws://127.0.0.1:8080/?name=ada
            let name = request.query("name").unwrap_or("somebody".into()).into_owned();
            announce(connection, format!("{name} is here"));
            connection.set_data(Name(name));
        })
        .on_message(|connection, message| {
            let MessageRef::Text(text) = message else { return };
            let line = format!("{}: {text}", name(connection));
            announce(connection, line);
        })
        .on_close(|connection, _| {
            let line = format!("{} has left", name(connection));
            announce(connection, line);
        });
    let listening = Server::new(move || chat.clone())
        .allow_hosts(HostPolicy::loopback().allow_addresses())
        .listen(address)?;
    println!("listening on {}", listening.local_addr()?);
    listening.run()
}

fn name(connection: &mut Connection) -> String {
    connection.data().map_or_else(String::new, |Name(name)| name.clone())
}

fn announce(connection: &Connection, line: String) {
    match connection.broadcast(line) {
        Ok(()) | Err(HandleError::Stopped) => {}
        Err(error) => eprintln!("{}: {error}", connection.id()),
    }
}
