use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, Pipeline, PushInfo, RedisConnectionInfo, RedisError, RedisResult,
    Value,
};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;

use super::refusal::is_migrating;
use super::url::Address;

/// The time for the handshake of a connection, and for a step of the set-up of a link.
const STEP_TIMEOUT: Duration = Duration::from_secs(3);

/// The time between two checks of a link's connections, and the time for the answers. Together with
/// the 2 s between heartbeats they are less than the lease of the presence, 7 s: a node knows that
/// its link is down before it would take the other nodes for dead.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The number of commands that wait in front of a connection before their callers wait. Chosen:
/// enough to fill many packets with small commands.
const QUEUE: usize = 1_024;

/// The settings of connections, without an address.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    settings: RedisConnectionInfo,
    tls: Option<Arc<ClientConfig>>,
}

/// A connection to a server, which ends with the last clone.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    multiplexed: MultiplexedConnection,
    /// The number of replies and pushed messages.
    received: Arc<AtomicU64>,
    _driver: Arc<AbortOnDrop>,
}

/// A task that ends with this handle.
#[derive(Debug)]
pub(super) struct AbortOnDrop(AbortHandle);

impl AbortOnDrop {
    pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task).abort_handle())
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connector {
    pub(super) fn new(settings: RedisConnectionInfo, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { settings, tls }
    }

    /// Connects to a server. `push` is called with what the server sends beside replies.
    ///
    /// The stream is connected here rather than by the client of Redis, which would read the
    /// system's roots for each connection, and use the process-wide provider of cryptography.
    pub(super) async fn connect(
        &self,
        address: &Address,
        push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> RedisResult<Connection> {
        // Large, because of TLS: in the futures of all callers it would be copied.
        let connecting = Box::pin(async {
            match address {
                Address::Tcp { host, port } => {
                    let stream = TcpStream::connect((&**host, *port)).await?;
                    stream.set_nodelay(true)?;
                    // Otherwise the kernel would send what a broken connection has left once
                    // packets reach the server again: after what the node has published over its
                    // next one.
                    stream.set_zero_linger()?;
                    let Some(config) = &self.tls else { return self.set_up(stream, push).await };
                    let name = ServerName::try_from(host.clone())
                        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                    let connector = TlsConnector::from(config.clone());
                    self.set_up(connector.connect(name, stream).await?, push).await
                }
                #[cfg(unix)]
                Address::Unix(path) => {
                    self.set_up(tokio::net::UnixStream::connect(path).await?, push).await
                }
            }
        });
        step(connecting).await
    }

    async fn set_up<S>(
        &self,
        stream: S,
        push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> RedisResult<Connection>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let received = Arc::<AtomicU64>::default();
        let progress = received.clone();
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE)
            .set_push_sender(move |info| {
                progress.fetch_add(1, Ordering::Relaxed);
                push(info);
                Ok::<(), redis::aio::SendError>(())
            });
        let (multiplexed, driver) =
            MultiplexedConnection::new_with_config(&self.settings, stream, config).await?;
        let driver = Arc::new(AbortOnDrop::spawn(driver));
        Ok(Connection { multiplexed, received, _driver: driver })
    }
}

impl Connection {
    /// Carries out a command, without a timeout.
    pub(super) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let result = self.multiplexed.clone().send_packed_command(command).await;
        // The connection is alive, although the answers to later commands may be late.
        self.received.fetch_add(1, Ordering::Relaxed);
        result.and_then(Value::extract_error)
    }

    /// Carries out a command within [`STEP_TIMEOUT`].
    pub(super) async fn send_step(&self, command: &Cmd) -> RedisResult<Value> {
        step(self.send(command)).await
    }

    /// Carries out a command within [`STEP_TIMEOUT`] on a server that imports the slot of its keys.
    pub(super) async fn send_asking(&self, command: &Cmd) -> RedisResult<Value> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("ASKING").add_command(command.clone());
        let mut connection = self.multiplexed.clone();
        let replies = step(connection.send_packed_commands(&pipeline, 0, pipeline.len())).await?;
        replies.into_iter().next_back().unwrap_or(Value::Nil).extract_error()
    }

    /// Carries out commands within [`STEP_TIMEOUT`]. Fails with the first error of a command.
    pub(super) async fn send_all(&self, pipeline: &Pipeline) -> RedisResult<()> {
        if pipeline.is_empty() {
            return Ok(());
        }
        let mut connection = self.multiplexed.clone();
        let replies = step(connection.send_packed_commands(pipeline, 0, pipeline.len())).await?;
        replies.into_iter().try_for_each(|reply| reply.extract_error().map(drop))
    }

    /// Checks the connection until it fails: until a check is not answered in time, while nothing
    /// else is received either. Under a backlog, the answer to a check waits behind those to other
    /// commands. A server that answers that it moves the slot of the check still has the slot.
    pub(super) async fn until_failed(&self, check: &Cmd) -> RedisError {
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            let mut answer = pin!(self.send(check));
            let answer = loop {
                let before = self.received.load(Ordering::Relaxed);
                match tokio::time::timeout(CHECK_TIMEOUT, &mut answer).await {
                    Ok(answer) => break answer,
                    Err(_) if self.received.load(Ordering::Relaxed) != before => {}
                    Err(_) => return timed_out(),
                }
            };
            match answer {
                Err(error) if !is_migrating(&error) => return error,
                _ => {}
            }
        }
    }
}

/// Bounds a step of the set-up of a link.
async fn step<T>(step: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    within(STEP_TIMEOUT, step).await
}

/// Bounds the time of a request.
pub(super) async fn within<T>(
    time: Duration,
    request: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    tokio::time::timeout(time, request).await.unwrap_or_else(|_| Err(timed_out()))
}

fn timed_out() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}
