use std::ops::Range;

use bytes::Bytes;

use crate::metrics::Counts;
use crate::output::Output;

/// The output of a connection, and the locations of payloads that it may write without a copy.
///
/// A worker lends a writer to each connection that it handles, so that an idle connection holds
/// none.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) output: Output,
    /// Counts of what was received and sent while the writer was lent.
    pub(super) counts: Counts,
    /// Addresses of the current input: a payload within them is a message, or part of one, that was
    /// just received.
    input: Range<usize>,
    /// The current message, if it was assembled from pieces.
    assembled: Bytes,
}

impl Writer {
    /// Sets the current input, until [`Writer::end_input`].
    #[inline]
    pub(super) fn begin_input(&mut self, input: &[u8]) {
        self.input = addresses(input);
    }

    /// Ends the current input, which is about to change: unwritten payloads in it are copied.
    pub(super) fn end_input(&mut self, input: &[u8]) {
        self.output.copy_input(input);
        self.input = 0..0;
    }

    /// Ends the current input without a copy: no unwritten payload may lie in it.
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    pub(super) fn leave_input(&mut self) {
        self.input = 0..0;
    }

    /// Sets the current assembled message; an empty payload stands for none.
    pub(super) fn set_assembled(&mut self, payload: Bytes) {
        self.assembled = payload;
    }

    /// Appends the payload of the header that was just appended, without a copy if the payload was
    /// just received.
    pub(super) fn push(&mut self, payload: &[u8]) {
        let at = addresses(payload);
        let within = |outer: &Range<usize>| outer.start <= at.start && at.end <= outer.end;
        if within(&self.input) {
            let start = at.start - self.input.start;
            self.output.push_input(start..start + payload.len(), payload);
        } else if within(&addresses(&self.assembled)) {
            self.output.push_shared(self.assembled.slice_ref(payload));
        } else {
            self.output.buffer().extend_from_slice(payload);
        }
    }
}

fn addresses(bytes: &[u8]) -> Range<usize> {
    let start = bytes.as_ptr().addr();
    start..start + bytes.len()
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::*;
    use crate::output::MAX_SLICES;

    fn written(writer: &Writer, input: &[u8]) -> Vec<u8> {
        let mut slots = [IoSlice::new(&[]); MAX_SLICES];
        writer.output.slices(input, &mut slots).iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn a_payload_is_copied_unless_it_was_received() {
        let input = *b"0123456789";
        let assembled = Bytes::from_static(b"assembled");
        let mut writer = Writer::default();
        writer.begin_input(&input);
        writer.set_assembled(assembled.clone());
        writer.push(&input[2..5]);
        writer.push(&assembled[3..]);
        assert!(writer.output.front().is_empty(), "both wait where they are");
        writer.push(b"elsewhere");
        assert_eq!(writer.output.front(), b"elsewhere");
        assert_eq!(written(&writer, &input), b"234embledelsewhere");
        writer.end_input(&input);
        assert_eq!(written(&writer, &[]), b"234embledelsewhere");
        // The same address is no longer the input.
        writer.push(&input[2..5]);
        assert_eq!(written(&writer, &[]), b"234embledelsewhere234");
    }
}
