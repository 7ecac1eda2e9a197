//! The common part of every tokio echo server: one thread, `TCP_NODELAY`, a task per connection.

use std::env;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::mode::{Ability, Certificate, Mode};

/// The usage of every program; programs in other languages take the same arguments.
const USAGE: &str = "arguments: ADDR [send|feed|io-uring] [--deflate takeover|no-takeover] \
                     [--tls CERT KEY] [--http2] [--fan-out]";

/// The time at which answers are handed to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// One write per message: the simplest loop that a user writes.
    Send,
    /// One write when no more messages are ready to be read: the fast way.
    Feed,
}

/// Command-line arguments of a server program: `ADDR [send|feed] [--deflate takeover|no-takeover]
/// [--tls CERT KEY] [--http2] [--fan-out]`.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Address to listen on; port 0 for any free one.
    pub address: SocketAddr,
    /// The write mode: `Feed`, unless `send` is given. Programs with only one mode ignore it.
    pub write_mode: WriteMode,
    /// `true` to use `io_uring` instead of epoll. Programs with only one backend ignore it.
    pub io_uring: bool,
    /// The mode: plain echo by default.
    pub mode: Mode,
}

impl Arguments {
    /// Parses the arguments of a program with these abilities.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] with the usage for unknown arguments, and
    /// [`io::ErrorKind::Unsupported`] for a mode that needs another ability.
    pub fn parse(abilities: &[Ability]) -> io::Result<Self> {
        Self::parse_with(abilities, &[]).map(|(arguments, _)| arguments)
    }

    /// Parses the arguments of a program that takes one of `words` after the address, and returns
    /// the word; the first by default.
    ///
    /// # Errors
    ///
    /// Same as [`parse`](Self::parse).
    pub fn parse_with(
        abilities: &[Ability],
        words: &[&'static str],
    ) -> io::Result<(Self, &'static str)> {
        let usage = || io::Error::new(io::ErrorKind::InvalidInput, USAGE);
        let mut arguments = env::args_os().skip(1).peekable();
        let address = arguments.next().and_then(|address| address.to_str()?.parse().ok());
        let address = address.ok_or_else(usage)?;
        let given = words.iter().find(|word| arguments.next_if(|next| next == **word).is_some());
        let word = given.or(words.first()).copied().unwrap_or_default();
        let write_mode = if arguments.next_if(|argument| argument == "send").is_some() {
            WriteMode::Send
        } else {
            arguments.next_if(|argument| argument == "feed");
            WriteMode::Feed
        };
        let io_uring = arguments.next_if(|argument| argument == "io-uring").is_some();
        let mode = Mode::parse(arguments).map_err(|_| usage())?;
        if mode.needs().all(|need| abilities.contains(&need)) {
            Ok((Self { address, write_mode, io_uring, mode }, word))
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}

/// Prints the server's address; the runner waits for this line.
pub fn print_address(address: SocketAddr) {
    println!("listening on {address}");
}

/// Serves connections until the process is killed. If a connection fails, the server drops it and
/// prints the error to standard error.
///
/// Timers are enabled, as with `#[tokio::main]`. Tasks are unconstrained, as the examples of
/// fastwebsockets and tokio-websockets recommend: every tokio server in the race has this
/// advantage.
///
/// # Errors
///
/// If the runtime cannot be built or the server cannot listen on the address.
pub fn run<F, E>(
    address: SocketAddr,
    handle: impl Fn(TcpStream) -> F + Send + Copy + 'static,
) -> io::Result<()>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    block_on(address, move |stream| async move { log_failure(handle(stream).await) })
}

/// Serves connections as [`run`] does, but over TLS if the arguments say so. The handler is passed
/// in two forms, plain and TLS, so that the plain one does not pay for the other.
///
/// # Errors
///
/// The errors of [`run`], and an error if the certificate cannot be used.
pub fn run_tls<F, G, E>(
    arguments: &Arguments,
    plain: impl Fn(TcpStream) -> F + Send + Copy + 'static,
    tls: impl Fn(TlsStream<TcpStream>) -> G + Send + Copy + 'static,
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
                Ok(stream) => log_failure(tls(stream).await),
                Err(error) => log_failure(Err(error)),
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
        print_address(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(tokio::task::unconstrained(serve(stream)));
        }
    })
}

/// Serves an application of axum until the process is killed.
///
/// # Errors
///
/// If the server cannot listen on the address.
pub async fn serve_app(address: SocketAddr, app: Router) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    print_address(listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            eprintln!("no TCP_NODELAY: {error}");
        }
    });
    axum::serve(listener, app).await
}

/// Prints to standard error why a connection failed, if it did.
pub fn log_failure<E: fmt::Display>(result: Result<(), E>) {
    if let Err(error) = result {
        eprintln!("connection ended: {error}");
    }
}

/// Returns a rustls configuration with ring, and otherwise defaults.
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
