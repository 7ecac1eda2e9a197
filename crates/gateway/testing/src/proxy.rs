//! A TCP proxy whose connections the tests cut.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy in front of a server, until it is dropped: as a server that dies and comes back, on one
/// address.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    /// Connections of earlier generations are closed.
    generation: watch::Sender<u64>,
    is_refusing: watch::Sender<bool>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of this address.
    ///
    /// # Errors
    /// The error of binding a port.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (generation, is_refusing) = (watch::Sender::new(0), watch::Sender::new(false));
        let connections = Arc::<AtomicUsize>::default();
        let (cut, refusing, count) = (generation.clone(), is_refusing.clone(), connections.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                if *refusing.borrow() {
                    continue;
                }
                count.fetch_add(1, Ordering::SeqCst);
                let mut cut = cut.subscribe();
                tokio::spawn(async move {
                    let copied = async {
                        let mut server = TcpStream::connect(target).await?;
                        copy_bidirectional(&mut client, &mut server).await
                    };
                    tokio::select! {
                        _ = copied => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Ok(Self { address, generation, is_refusing, connections, task })
    }

    /// Returns the URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the number of connections that were accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Closes all connections.
    pub fn cut(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Sets whether new connections are closed at once.
    pub fn set_refusing(&self, is_refusing: bool) {
        self.is_refusing.send_replace(is_refusing);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}
