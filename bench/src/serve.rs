//! The frame of every tokio echo server: one thread, `TCP_NODELAY`, a task per connection.

use std::env;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::mode::{Ability, Certificate, Mode};

/// What every program takes; those in other languages take the same.
const USAGE: &str = "arguments: ADDR [send|feed|io-uring] [--deflate takeover|no-takeover] \
                     [--tls CERT KEY] [--http2] [--fan-out]";

/// When answers are handed to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// One write per message: the simplest loop that a user writes.
    Send,
    /// One write when nothing more is ready to be read: the fast way.
    Feed,
}

/// What a server program is told: `ADDR [send|feed] [--deflate takeover|no-takeover] [--tls CERT KEY]
/// [--http2] [--fan-out]`.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Where to listen; port 0 for any free one.
    pub address: SocketAddr,
    /// Feed, unless `send` is asked for. Programs with only one way ignore it.
    pub writes: Writes,
    /// Whether to use `io_uring` instead of epoll. Programs with only one backend ignore it.
    pub io_uring: bool,
    /// Plain echo, unless more is asked for.
    pub mode: Mode,
}

impl Arguments {
    /// Reads the arguments of a program with these abilities.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] with the usage for anything else, and
    /// [`io::ErrorKind::Unsupported`] for a mode that needs another ability.
    pub fn parse(abilities: &[Ability]) -> io::Result<Self> {
        let usage = || io::Error::new(io::ErrorKind::InvalidInput, USAGE);
        let mut arguments = env::args_os().skip(1).peekable();
        let address = arguments.next().and_then(|address| address.to_str()?.parse().ok());
        let address = address.ok_or_else(usage)?;
        let writes = if arguments.next_if(|argument| argument == "send").is_some() {
            Writes::Send
        } else {
            arguments.next_if(|argument| argument == "feed");
            Writes::Feed
        };
        let io_uring = arguments.next_if(|argument| argument == "io-uring").is_some();
        let mode = Mode::parse(arguments).map_err(|_| usage())?;
        if mode.needs().all(|need| abilities.contains(&need)) {
            Ok(Self { address, writes, io_uring, mode })
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}

/// Says where the server can be reached; the runner waits for this line.
pub fn announce(address: SocketAddr) {
    println!("listening on {address}");
}

/// Serves connections until the process is killed. A connection that fails is dropped, and why goes to
/// standard error.
///
/// Timers are on, as `#[tokio::main]` has them. Tasks are unconstrained, as the examples of fastwebsockets
/// and tokio-websockets recommend: every tokio server in the race has this advantage.
///
/// # Errors
///
/// If the runtime cannot be built or the address cannot be listened on.
pub fn run<F, E>(
    address: SocketAddr,
    handle: impl Fn(TcpStream) -> F + Send + Copy + 'static,
) -> io::Result<()>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    block_on(address, move |stream| async move { report(handle(stream).await) })
}

/// As [`run`], but over TLS if the arguments ask for it: one handler in both shapes, so that the plain
/// one pays nothing for the other.
///
/// # Errors
///
/// As [`run`], and if the certificate cannot be used.
pub fn run_tls<F, G, E>(
    arguments: &Arguments,
    plain: impl Fn(TcpStream) -> F + Send + Copy + 'static,
    secure: impl Fn(TlsStream<TcpStream>) -> G + Send + Copy + 'static,
) -> io::Result<()>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    G: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    let Some(certificate) = &arguments.mode.tls else {
        return run(arguments.address, plain);
    };
    let acceptor = TlsAcceptor::from(tls_config(certificate)?);
    block_on(arguments.address, move |stream| {
        let acceptor = acceptor.clone();
        async move {
            match acceptor.accept(stream).await {
                Ok(stream) => report(secure(stream).await),
                Err(error) => report(Err(error)),
            }
        }
    })
}

pub(crate) fn block_on<F>(
    address: SocketAddr,
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(address).await?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(tokio::task::unconstrained(serve(stream)));
        }
    })
}

/// Says on standard error why a connection ended, if it failed.
pub fn report<E: fmt::Display>(result: Result<(), E>) {
    if let Err(error) = result {
        eprintln!("connection ended: {error}");
    }
}

/// rustls with ring, its defaults otherwise.
///
/// # Errors
///
/// If the certificate cannot be used.
pub fn tls_config(certificate: &Certificate) -> io::Result<Arc<ServerConfig>> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(&certificate.chain)
        .and_then(Iterator::collect)
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(&certificate.key).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}
