//! `-L` and `-D`: listens here, and opens a stream for each connection.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::warn;

use super::Open;
use super::forward::Address;
use super::link::{self, Link};
use super::proxy;
use super::report::report;
use super::users::Users;
use crate::client::Failure;
use crate::commands::tunnel::bounded_listener::{Accepted, BoundedListener};
use crate::commands::tunnel::relay::{self, Counts};
use crate::commands::tunnel::socket::{Socket, SocketListener, describe_bind};

/// Maximum number of open connections of one listener; further ones wait in the system's queue.
const MAX_ACCEPTED: usize = 1024;

/// The purpose of the connections of a listener.
#[derive(Clone, Debug)]
enum Purpose {
    Forward(Address),
    /// The client of a proxy names the target.
    Proxy(Option<Arc<Users>>),
}

/// A listener of `-L` or `-D`.
pub(super) struct Local {
    listener: SocketListener,
    purpose: Purpose,
    udp_idle: Duration,
}

/// Listens on the addresses of all `-L` and `-D`.
///
/// # Errors
/// A failure that names the address.
pub(super) async fn bind_all(options: &Open) -> Result<Vec<Local>, Failure> {
    let users = options.proxy_user_file.as_deref().map(Users::read).transpose()?.map(Arc::new);
    let forwards = options.local.iter();
    let forwards =
        forwards.map(|forward| (&forward.listen, Purpose::Forward(forward.target.clone())));
    let proxies = options.dynamic.iter().map(|listen| (listen, Purpose::Proxy(users.clone())));
    let mut locals = Vec::new();
    for (address, purpose) in forwards.chain(proxies) {
        let listener = bind(address).await?;
        locals.push(Local { listener, purpose, udp_idle: options.udp_idle });
    }
    Ok(locals)
}

async fn bind(address: &Address) -> Result<SocketListener, Failure> {
    let bound = match address {
        Address::Port { host, port } => {
            TcpListener::bind((host.as_str(), *port)).await.map(SocketListener::Tcp)
        }
        Address::Path(path) => SocketListener::bind_unix(Path::new(path)),
    };
    bound.map_err(|error| {
        Failure::other(format!("cannot listen on {address}: {}", describe_bind(&error)))
    })
}

impl Local {
    /// Returns a line about the listener.
    pub(super) fn describe(&self) -> String {
        let name = self.listener.name();
        match &self.purpose {
            Purpose::Forward(target) => format!("Forwarding {name} to {target}"),
            Purpose::Proxy(_) => format!("Serving a SOCKS5 and HTTP proxy on {name}"),
        }
    }

    /// Serves connections for as long as the future is polled.
    pub(super) async fn serve(self, link: Link) {
        let Self { listener, purpose, udp_idle } = self;
        let mut listener = BoundedListener::new(listener, MAX_ACCEPTED);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Accepted { socket, guard, .. } = listener.accept() => {
                    let (link, purpose) = (link.clone(), purpose.clone());
                    connections.spawn(async move {
                        match purpose {
                            Purpose::Forward(target) => forward(socket, &target, &link).await,
                            Purpose::Proxy(users) => {
                                proxy::serve(socket, users.as_deref(), &link, udp_idle).await;
                            }
                        }
                        drop(guard);
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn forward(socket: Box<dyn Socket>, target: &Address, link: &Link) {
    let opened = async {
        let request = link::request_of(target).map_err(|error| error.to_string())?;
        link.open(&request).await.map_err(|error| error.to_string())
    };
    match opened.await {
        Ok(stream) => {
            let end = relay::relay_after_answer(socket, stream, &Counts::default(), None).await;
            report(&target.to_string(), &end);
        }
        Err(error) => {
            warn!("{target}: {error}");
            socket.abort();
        }
    }
}
