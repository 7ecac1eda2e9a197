//! Output that waits for its peer: as long as the peer takes some of it now and then, and no longer.

use std::time::Instant;

use super::{Link, Office, Phase, Stage};

impl<S> Link<S> {
    /// The system takes no more output for now; `progress` says whether it took some since it was last asked.
    #[cold]
    pub(crate) fn wait_for_room<H>(&mut self, office: &Office<H>, progress: bool) {
        self.blocked = true;
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            // What is sealed has left the connection's own output, and counts all the same.
            let sealed = tls.output().len();
            if sealed > 0 {
                self.set_in_flight(sealed);
            }
        }
        if !progress && self.write_deadline.is_some() {
            return;
        }
        let config = &office.settings.options.config;
        // A connection that is over waits for its last frames to be taken, but never without a bound.
        let timeout = match &self.phase {
            Phase::Over(_) => config.longest_write().or(Some(config.longest_closing())),
            Phase::Opening(_) | Phase::Open(_) => config.longest_write(),
        };
        self.write_deadline =
            timeout.and_then(|time| Instant::now().checked_add(time)).map(Box::new);
        self.asked_in = Stage::Unknown;
    }

    /// All output was taken, or it is not to be written any more. Returns whether it had to wait.
    #[inline]
    pub(crate) fn end_wait(&mut self) -> bool {
        if self.blocked {
            self.blocked = false;
            self.write_deadline = None;
            return true;
        }
        false
    }

    /// Whether output waits, be it with the link or on its way to the system.
    pub(super) fn has_unwritten(&mut self) -> bool {
        let waits = match &self.phase {
            Phase::Open(connection) => connection.unwritten() > 0,
            Phase::Over(over) => {
                over.in_flight
                    || over.writer.as_ref().is_some_and(|writer| !writer.output.is_empty())
            }
            Phase::Opening(_) => false,
        };
        #[cfg(feature = "tls")]
        let waits = waits || self.tls.as_mut().is_some_and(|tls| !tls.output().is_empty());
        waits
    }

    /// Whether the peer has taken none of the output for too long.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        self.write_deadline.as_deref().is_some_and(|deadline| *deadline <= now)
    }
}
