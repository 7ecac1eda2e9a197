//! A parser of frame headers in a stream of bytes, at any split of the input (RFC 9113 section
//! 4.1).

/// The type of a frame (RFC 9113 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(u8);

impl Kind {
    pub(super) const DATA: Self = Self(0x0);
    pub(super) const HEADERS: Self = Self(0x1);
    pub(super) const RST_STREAM: Self = Self(0x3);
    pub(super) const CONTINUATION: Self = Self(0x9);
}

/// The size of a frame header, in bytes.
const HEADER: usize = 9;

/// A parser that finds the frame headers and skips the payloads.
#[derive(Debug, Default)]
pub(super) struct FrameHeaders {
    /// The rest of the current payload, in bytes.
    skip: usize,
    /// The beginning of a header, and the number of its bytes received.
    header: [u8; HEADER],
    filled: usize,
}

impl FrameHeaders {
    /// Parses further bytes; calls `on_header` with the type and the payload length of each frame
    /// whose header these bytes complete.
    pub(super) fn read(&mut self, mut bytes: &[u8], mut on_header: impl FnMut(Kind, usize)) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return;
            }
            let taken = (HEADER - self.filled).min(bytes.len());
            self.header[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled < HEADER {
                return;
            }
            self.filled = 0;
            let [high, middle, low, kind, ..] = self.header;
            self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            on_header(Kind(kind), self.skip);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_at_every_split_of_the_input() {
        let mut input = Vec::new();
        let frames = [(4, 0), (0, 300), (8, 4), (0x42, 0), (1, 0), (3, 4)];
        for (kind, length) in frames {
            let [.., high, low] = u32::to_be_bytes(length);
            input.extend([0, high, low, kind, 0, 0, 0, 0, 1]);
            input.extend(std::iter::repeat_n(0xff, length as usize));
        }
        for split in 0..=input.len() {
            for chunk in [1, 7, usize::MAX] {
                let mut seen = Vec::new();
                let mut headers = FrameHeaders::default();
                let (first, rest) = input.split_at(split);
                for part in std::iter::once(first).chain(rest.chunks(chunk.min(rest.len()).max(1)))
                {
                    headers.read(part, |kind, length| seen.push((kind.0, length)));
                }
                assert_eq!(seen, frames.map(|(kind, length)| (kind, length as usize)));
            }
        }
    }
}
