//! Output that a backend takes as a whole and gives back when it was sent.

use super::{Delivery, Link, WorkerContext, Writer};

impl<S: Delivery> Link<S> {
    /// All that is to be sent now, if anything. Payloads in it may lie in the input at hand.
    #[inline]
    pub(crate) fn take_output<H>(&mut self, context: &mut WorkerContext<H>) -> Option<Box<Writer>> {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return self.take_sealed(context);
        }
        let place = self.state.writer();
        if place.as_ref().is_none_or(|writer| writer.output.is_empty()) {
            return None;
        }
        let mut writer = place.take()?;
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

    /// The link may use an empty writer for what follows the output that was sent.
    #[inline]
    pub(crate) fn give_back<H>(&mut self, context: &mut WorkerContext<H>, writer: Box<Writer>) {
        let place = self.state.writer();
        if place.is_none() {
            *place = Some(writer);
        } else {
            context.take_back(writer);
        }
    }
}
