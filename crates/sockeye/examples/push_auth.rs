//! Admits clients of the handler server by a token. Checks that need no wait run before the
//! upgrade; a check that depends on another service runs in a task, while the connection is already
//! open.
//!
//!     cargo run -p sockeye --example push_auth
//!
//! `ws://127.0.0.1:8080/?user=ada` is admitted, `ws://127.0.0.1:8080/?user=mallory` is closed with
//! 1008, and a request without a name is answered with 401.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sockeye::CloseCode;
use sockeye::push::{Callbacks, Server};
use sockeye::upgrade::{HostPolicy, Refusal};

/// The name of the connection's user, once known.
struct User(Arc<OnceLock<String>>);

/// Queries another service for a user.
async fn find_user(name: &str) -> Option<String> {
    tokio::time::sleep(Duration::from_millis(50)).await;
    (name == "ada").then(|| name.to_owned())
}

fn main() -> sockeye::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let tasks = runtime.handle().clone();
    let chat = Callbacks::new()
        .on_upgrade(|request, _| match request.query("user") {
            Some(name) if !name.is_empty() => Ok(()),
            _ => Err(Refusal::unauthorized("who are you?\n")),
        })
        .on_open(move |connection, request| {
            let name = request.query("user").unwrap_or_default().into_owned();
            let (user, handle) = (Arc::<OnceLock<String>>::default(), connection.handle());
            connection.set_data(User(user.clone()));
            tasks.spawn(async move {
                let posted = match find_user(&name).await {
                    Some(known) => handle.send(format!("hello {}", user.get_or_init(|| known))),
                    None => handle.close(CloseCode::POLICY_VIOLATION, "you are not known here"),
                };
                if let Err(error) = posted {
                    eprintln!("{}: {error}", handle.id());
                }
            });
        })
        .on_message(|connection, message| {
            // No message is answered before the user is known.
            let known = connection.data::<User>().is_some_and(|user| user.0.get().is_some());
            if known {
                connection.send(message);
            }
        });
    let listening = Server::new(move || chat.clone())
        .allow_hosts(HostPolicy::loopback())
        .listen("127.0.0.1:8080")?;
    println!("listening on {}", listening.local_addr()?);
    listening.run()
}
