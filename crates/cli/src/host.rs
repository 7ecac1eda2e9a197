//! The server behind the commands that listen: accept, TLS, HTTP, limits, metrics and shutdown.

mod arguments;
pub(crate) mod connection;
pub(crate) mod exposure;
pub(crate) mod front;
mod gather;
pub(crate) mod hosts;
pub(crate) mod listen;
pub(crate) mod metrics;
mod monitored_body;
pub(crate) mod plain;
pub(crate) mod proxies;
pub(crate) mod reloadable;
pub(crate) mod server;
pub(crate) mod shutdown;
mod streams;
pub(crate) mod tls;
pub(crate) mod token;
pub(crate) mod websocket;
pub(crate) mod workers;

pub(crate) use self::arguments::{ClientHeader, Hosting};
