//! The request to end a test early: Ctrl-C, SIGTERM or the key `q`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;

use crate::host::shutdown::TerminationSignals;

/// The request, which all threads of a test share.
#[derive(Clone, Debug)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Handles the signals from now on, in a thread of its own.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the thread that waits for signals")?;
        let mut signals = runtime.block_on(async { TerminationSignals::listen() })?;
        let stop = Self(Arc::default());
        let requested = stop.clone();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(signals.next());
                requested.request();
            })
            .context("cannot start the thread that waits for signals")?;
        Ok(stop)
    }

    /// Ends the test that runs.
    pub(super) fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}
