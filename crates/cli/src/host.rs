//! The server behind the commands that listen: accept, TLS, HTTP, limits, metrics and shutdown.

pub(crate) mod access_log;
#[cfg(feature = "acme")]
mod acme;
#[cfg(unix)]
pub(crate) mod activation;
mod arguments;
pub(crate) mod bearer;
mod client_stream;
pub(crate) mod connection;
pub(crate) mod exposure;
pub(crate) mod front;
mod gather;
#[cfg(unix)]
mod handover;
pub(crate) mod health;
pub(crate) mod hosts;
pub(crate) mod lifetime;
pub(crate) mod listen;
pub(crate) mod listener;
pub(crate) mod listening_socket;
pub(crate) mod metrics;
mod monitored_body;
mod notifier;
pub(crate) mod open_files;
pub(crate) mod plain;
pub(crate) mod proxies;
pub(crate) mod reload;
pub(crate) mod reloadable;
#[cfg(unix)]
mod replacement;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod shutdown;
pub(crate) mod slots;
#[cfg(unix)]
pub(crate) mod socket_file;
mod streams;
pub(crate) mod tls;
pub(crate) mod token;
#[cfg(unix)]
mod unix_stream;
mod validity;
pub(crate) mod websocket;
pub(crate) mod workers;

pub(crate) use self::arguments::{ClientHeader, Hosting};
