//! Output that a backend takes as a whole, together with its writer. The backend returns the writer
//! once the output is sent.

use super::{BackendSocket, ConnectionDriver, WorkerContext, Writer};

impl<S: BackendSocket> ConnectionDriver<S> {
    /// Takes the output that is to be sent now, if any. Payloads in it may lie in the current
    /// input.
    #[inline]
    pub(crate) fn take_output<H>(&mut self, context: &mut WorkerContext<H>) -> Option<Box<Writer>> {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return self.take_sealed(context);
        }
        let lent = self.state.writer();
        if lent.as_ref().is_none_or(|writer| writer.output.is_empty()) {
            return None;
        }
        let mut writer = lent.take()?;
        context.counts.add(&writer.counts.take());
        Some(writer)
    }

    #[cfg(feature = "tls")]
    fn take_sealed<H>(&mut self, context: &mut WorkerContext<H>) -> Option<Box<Writer>> {
        let (_, output) = self.output();
        let output = output.filter(|output| !output.is_empty())?;
        let mut writer = context.lend();
        std::mem::swap(&mut writer.output, output);
        Some(writer)
    }

    /// Returns an empty writer to the driver, for the output that follows.
    #[inline]
    pub(crate) fn give_back<H>(&mut self, context: &mut WorkerContext<H>, writer: Box<Writer>) {
        let lent = self.state.writer();
        if lent.is_none() {
            *lent = Some(writer);
        } else {
            context.take_back(writer);
        }
    }
}
