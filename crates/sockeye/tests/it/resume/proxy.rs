//! A TCP proxy that cuts its connections when the test asks for it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A proxy in front of one address.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: Mutex<SocketAddr>,
    /// The number of the epoch: a connection of an earlier one is cut.
    epoch: watch::Sender<u64>,
    /// `true` if connections are refused.
    is_closed: watch::Sender<bool>,
    /// For each connection to come, the numbers of bytes from the client and from the server after
    /// which it is cut.
    budgets: Mutex<Vec<[usize; 2]>>,
    /// The number of bytes from the clients.
    passed: watch::Sender<usize>,
    /// The number of connections that have ended.
    ended: watch::Sender<usize>,
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            epoch: watch::Sender::new(0),
            is_closed: watch::Sender::new(false),
            budgets: Mutex::default(),
            passed: watch::Sender::new(0),
            ended: watch::Sender::new(0),
        });
        let proxy = Self { address, shared: shared.clone() };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let is_closed = *shared.is_closed.borrow();
                if !is_closed {
                    let budget = shared.budgets.lock().unwrap().pop();
                    tokio::spawn(relay(client, shared.clone(), budget.unwrap_or([usize::MAX; 2])));
                }
            }
        });
        proxy
    }

    /// Cuts the next connections after these numbers of bytes from the client and the server.
    pub(crate) fn cut_after(&self, mut budgets: Vec<[usize; 2]>) {
        budgets.reverse();
        *self.shared.budgets.lock().unwrap() = budgets;
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        self.shared.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Refuses connections from now on, or accepts them again.
    pub(crate) fn close(&self, is_closed: bool) {
        self.shared.is_closed.send_replace(is_closed);
        if is_closed {
            self.cut();
        }
    }

    /// Leads to another address from now on.
    pub(crate) fn redirect(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap() = target;
    }

    /// Waits until the clients have sent as many bytes in all.
    pub(crate) async fn passed(&self, bytes: usize) {
        self.shared.passed.subscribe().wait_for(|passed| *passed >= bytes).await.unwrap();
    }

    /// Waits until as many connections have ended in all.
    pub(crate) async fn ended(&self, connections: usize) {
        self.shared.ended.subscribe().wait_for(|ended| *ended >= connections).await.unwrap();
    }
}

async fn relay(client: TcpStream, shared: Arc<Shared>, [up, down]: [usize; 2]) {
    let target = *shared.target.lock().unwrap();
    let mut epoch = shared.epoch.subscribe();
    if let Ok(server) = TcpStream::connect(target).await {
        // The sockets are reset, as by a network that is gone.
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            () = copy(from_client, to_server, up, Some(&shared.passed)) => {}
            () = copy(from_server, to_client, down, None) => {}
            _ = epoch.changed() => {}
        }
    }
    shared.ended.send_modify(|ended| *ended += 1);
}

/// Copies bytes until the end of `from`, or until as many were copied.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut budget: usize,
    passed: Option<&watch::Sender<usize>>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while budget > 0 {
        let most = buffer.len().min(budget);
        let Ok(length @ 1..) = from.read(&mut buffer[..most]).await else { return };
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
        budget -= length;
        if let Some(passed) = passed {
            passed.send_modify(|passed| *passed += length);
        }
    }
}
