//! The connections to an address: one for each runtime that makes calls.

use std::fmt;
use std::sync::OnceLock;
use std::thread::available_parallelism;

use sockeye_grpc::{Channel, Endpoint};
use tokio::runtime::{Handle, Id};

/// Number of runtimes that have a connection of their own, beside one for each processor. Further
/// ones use the first connection.
const EXTRA_RUNTIMES: usize = 2;

/// The channels to an address.
///
/// A program with a runtime for each thread has a connection for each of them: a call then wakes no
/// other thread. Most programs have one runtime, and so one connection.
pub(super) struct Channels {
    endpoint: Endpoint,
    /// Filled from the front.
    by_runtime: Box<[OnceLock<OwnChannel>]>,
}

/// The channel of a runtime.
struct OwnChannel {
    /// `None` for calls outside of a runtime.
    runtime: Option<Id>,
    channel: Channel,
}

impl Channels {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let count = available_parallelism().map_or(1, usize::from) + EXTRA_RUNTIMES;
        Self { endpoint, by_runtime: (0..count).map(|_| OnceLock::new()).collect() }
    }

    /// Returns the channel of the current runtime.
    pub(super) fn current(&self) -> Channel {
        let runtime = Handle::try_current().map(|runtime| runtime.id()).ok();
        let connect = || self.endpoint.clone().connect_lazy();
        let mut first = None;
        for slot in &self.by_runtime {
            // Another runtime may take the slot at the same time.
            let own = slot.get_or_init(|| OwnChannel { runtime, channel: connect() });
            if own.runtime == runtime {
                return own.channel.clone();
            }
            first.get_or_insert(&own.channel);
        }
        first.cloned().unwrap_or_else(connect)
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::DuplexStream;
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn each_runtime_has_a_channel_up_to_a_number() {
        let channels = Channels::new(Endpoint::with_connector(|| async {
            io::Result::<DuplexStream>::Err(io::ErrorKind::Unsupported.into())
        }));
        let used = || channels.by_runtime.iter().filter(|slot| slot.get().is_some()).count();
        let call = |runtime: &tokio::runtime::Runtime| {
            runtime.block_on(async { drop(channels.current()) });
        };
        let runtime = || Builder::new_current_thread().build().expect("started");
        let first = runtime();
        call(&first);
        call(&first);
        assert_eq!(used(), 1);
        call(&runtime());
        assert_eq!(used(), 2);
        for _ in 0..channels.by_runtime.len() {
            call(&runtime());
        }
        call(&first);
        assert_eq!(used(), channels.by_runtime.len());
    }
}
