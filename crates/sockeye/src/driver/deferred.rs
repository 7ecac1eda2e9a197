//! Output that `send` defers to the task of a handler, which writes the output when the handler
//! waits.

use sockeye_proto::Role;

use super::output::HIGH_WATER_MARK;
use super::{Driver, handler};
use crate::error::Result;
use crate::transport::{Shared, Transport};

impl Driver {
    /// Defers the output to the handler's task, if that task is polling the caller and more input
    /// is available: the handler most likely has more to send before it waits. Returns whether the
    /// output was deferred.
    #[inline]
    pub(super) fn defer_output(&mut self) -> bool {
        // On a client, `send` writes at once, in a handler as well: a client's input does not tell
        // whether the handler will send more.
        !self.input.is_empty()
            && self.connection.role() == Role::Server
            && self.output.is_contiguous()
            && self.hand_output_to_task()
    }

    fn hand_output_to_task(&mut self) -> bool {
        if !handler::is_polled() {
            return false;
        }
        let shared = match &self.transport {
            Transport::Shared(shared) => shared,
            _ => Shared::share(&mut self.transport),
        };
        if !handler::defer_output(shared) {
            return false;
        }
        let (length, output) = (self.output.len(), &mut self.output);
        let deferred = shared.defer(length, HIGH_WATER_MARK, |deferred| output.move_to(deferred));
        // Output that was deferred earlier stays deferred, because it must be written first.
        self.output_deferred |= deferred;
        deferred
    }

    /// Takes back the output that the handler's task has not written.
    ///
    /// # Errors
    /// The error of the task's last write.
    #[cold]
    pub(super) fn take_output_back(&mut self) -> Result<()> {
        self.output_deferred = false;
        let Transport::Shared(shared) = &self.transport else { return Ok(()) };
        let output = &mut self.output;
        Ok(shared.take_back(|deferred, written| output.take_back(deferred, written))?)
    }
}
