//! Servers on separate threads.

use std::env;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use sockeye::push::{Backend, Handler, Server, ServerHandle};
use sockeye::{Drained, Result};

/// A running server.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    server_handle: ServerHandle,
    thread: JoinHandle<Result<Drained>>,
}

impl Running {
    pub(crate) fn start<H, F>(server: Server<F>) -> Self
    where
        H: Handler,
        F: Fn() -> H + Send + Sync + 'static,
    {
        let listening = server.backend(backend()).listen("127.0.0.1:0").unwrap();
        let address = listening.local_addr().unwrap();
        let server_handle = listening.handle();
        Self {
            address,
            server_handle,
            thread: thread::spawn(move || listening.run_until_stopped()),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// Starts to stop the server.
    pub(crate) fn tell_to_stop(&self) {
        self.server_handle.stop();
    }

    /// Stops the server, and waits until it has stopped.
    pub(crate) fn stop(self) -> Drained {
        self.server_handle.stop();
        self.join().unwrap().unwrap()
    }

    /// Returns the result of the thread.
    pub(crate) fn join(self) -> thread::Result<Result<Drained>> {
        self.thread.join()
    }
}

/// Returns the backend under test: the value of `SOCKEYE_BACKEND` (`readiness`, `io-uring`), or the
/// server's default.
pub(crate) fn backend() -> Backend {
    match env::var("SOCKEYE_BACKEND").as_deref() {
        Ok("readiness") => Backend::Readiness,
        Ok("io-uring") => Backend::IoUring,
        Ok(other) => panic!("no backend is called `{other}`"),
        Err(_) => Backend::Auto,
    }
}
