//! The threads that serve connections.
//!
//! A connection of a gateway stays on one thread, with the connection to the upstream that its calls
//! use, and one of a tunnel with the connections to its targets: on a runtime whose threads share
//! their tasks, each call or piece of data would wake another thread several times, and these system
//! calls cost as much as the work.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::interval;
use tracing::debug;

use super::client_stream::ClientStream;

/// Interval of [`tick`]. Chosen: shorter than most timeouts, and long enough to cost nothing.
const TICK: Duration = Duration::from_secs(1);

/// Threads with a runtime each. Dropping the value ends them, and their tasks.
#[derive(Debug)]
pub(crate) struct Workers {
    workers: Vec<Worker>,
}

/// A thread with a runtime.
#[derive(Debug)]
pub(super) struct Worker {
    runtime: Handle,
    /// Number of connections that the thread serves.
    connections: Arc<AtomicUsize>,
    _running: oneshot::Sender<()>,
}

impl Workers {
    /// Starts a thread for each processor that the program may use.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let workers = (0..count).map(Worker::start).collect::<io::Result<_>>();
        Ok(Self { workers: workers.context("cannot start the threads of the program")? })
    }

    /// Returns the thread that serves the fewest connections.
    pub(super) fn least_busy(&self) -> Option<&Worker> {
        self.workers.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed))
    }
}

async fn run<S: ClientStream, F: Future<Output = ()>>(
    stream: S::Detached,
    serve: impl FnOnce(S) -> F,
) {
    match S::attach(stream) {
        Ok(stream) => serve(stream).await,
        Err(error) => debug!("a connection failed before it was served: {error}"),
    }
}

impl Worker {
    fn start(index: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, stopped) = oneshot::channel();
        thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    // The other end sends nothing: it is dropped.
                    _ = stopped => {}
                    () = tick() => {}
                }
            });
        })?;
        Ok(Self { runtime: handle, connections: Arc::default(), _running: running })
    }

    /// Counts a connection as one of this thread, until the value is dropped.
    pub(super) fn occupy(&self) -> Occupied {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Occupied(Arc::clone(&self.connections))
    }

    /// Serves a connection. One that fails before is dropped.
    pub(super) fn spawn<S, F>(&self, stream: S, serve: impl FnOnce(S) -> F + Send + 'static)
    where
        S: ClientStream,
        F: Future<Output = ()> + Send + 'static,
    {
        // Each runtime has to watch the socket by itself.
        match stream.detach() {
            Ok(stream) => drop(self.runtime.spawn(run::<S, F>(stream, serve))),
            Err(error) => debug!("a connection failed before it was served: {error}"),
        }
    }
}

/// Keeps a timer of the runtime that ends before the timeouts of connections. Never returns.
///
/// tokio wakes the thread by a system call, even from itself, for a timer that ends before all
/// others: without this one, for the timeout of each request.
async fn tick() {
    let mut ticks = interval(TICK);
    loop {
        ticks.tick().await;
    }
}

/// The place of a connection on a thread.
#[derive(Debug)]
pub(super) struct Occupied(Arc<AtomicUsize>);

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::future::pending;

    use sockeye::Drain;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::{Semaphore, mpsc};

    use super::*;
    use crate::host::shutdown::ConnectionGuard;

    #[tokio::test]
    async fn connections_are_spread_over_the_threads_and_end_with_them() {
        let workers = Workers::start().expect("started");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("known");
        let (threads, mut serving) = mpsc::unbounded_channel();
        let (mut clients, mut ids) = (Vec::new(), HashSet::new());
        for _ in 0..workers.workers.len() {
            clients.push(TcpStream::connect(address).await.expect("connected"));
            let (stream, _) = listener.accept().await.expect("accepted");
            let threads = threads.clone();
            let worker = workers.least_busy().expect("there are some");
            let occupied = worker.occupy();
            worker.spawn(stream, move |stream| async move {
                let _ = threads.send(thread::current().id());
                pending::<()>().await;
                drop((stream, occupied));
            });
            ids.extend(serving.recv().await);
        }
        assert_eq!(ids.len(), clients.len());
        drop(workers);
        for mut client in clients {
            assert_eq!(client.read(&mut [0]).await.expect("closed"), 0);
        }
    }

    #[tokio::test]
    async fn a_connection_has_its_place_until_its_last_task_ends() {
        let workers = Workers { workers: (0..2).map(|i| Worker::start(i).unwrap()).collect() };
        let least_busy = || std::ptr::from_ref(workers.least_busy().unwrap());
        let slot = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let place = Some(workers.workers[0].occupy());
        let address = ([127, 0, 0, 1], 1).into();
        let of_http = ConnectionGuard::new(&Drain::new(), address, slot, place);
        let of_websocket = of_http.clone();
        drop(of_http);
        assert_eq!(least_busy(), std::ptr::from_ref(&workers.workers[1]));
        drop(of_websocket);
        assert_eq!(least_busy(), std::ptr::from_ref(&workers.workers[0]));
    }
}
