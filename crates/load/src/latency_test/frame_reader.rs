//! Reader of the server's frames, which passes on whole messages whatever their fragments are.

use crate::error::LoadError;
use crate::frame;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;

/// Maximum payload length of a control frame (RFC 6455 section 5.5).
const MAX_CONTROL_LENGTH: u64 = 125;

/// A message or ping from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received<'a> {
    /// A whole message: its opcode and payload.
    Message(u8, &'a [u8]),
    /// A ping, whose payload the pong has to repeat.
    Ping(&'a [u8]),
}

/// Reader of one connection. It holds at most one message and one incomplete frame, each of the
/// limit's length at most.
#[derive(Debug)]
pub(crate) struct FrameReader {
    /// Maximum length of a message, in bytes.
    limit: usize,
    /// The bytes of a frame that is incomplete.
    incomplete: Vec<u8>,
    /// The opcode and the fragments of a message that is incomplete.
    fragments: Option<(u8, Vec<u8>)>,
}

impl FrameReader {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, incomplete: Vec::new(), fragments: None }
    }

    /// Reads `input`, and calls `handle` for each message and ping.
    ///
    /// # Errors
    ///
    /// `Closed` or `ClosedWith` at a close frame, `WrongFrame` at a frame that breaks the protocol
    /// or exceeds the limit, and the errors of `handle`.
    pub(crate) fn read(
        &mut self,
        input: &[u8],
        mut handle: impl FnMut(Received<'_>) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        if self.incomplete.is_empty() {
            let used = self.read_whole(input, &mut handle)?;
            self.incomplete.extend_from_slice(&input[used..]);
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut self.incomplete);
        bytes.extend_from_slice(input);
        let used = self.read_whole(&bytes, &mut handle)?;
        bytes.drain(..used);
        self.incomplete = bytes;
        Ok(())
    }

    /// Reads the frames that are whole, and returns their size.
    fn read_whole(
        &mut self,
        input: &[u8],
        handle: &mut impl FnMut(Received<'_>) -> Result<(), LoadError>,
    ) -> Result<usize, LoadError> {
        let mut used = 0;
        while let Some(header) = frame::decode_header(&input[used..]) {
            let first = input[used];
            if header.length > self.limit.max(125) as u64 {
                return Err(LoadError::WrongFrame { first, length: header.length });
            }
            let start = used + header.size;
            let end = usize::try_from(header.length).ok().and_then(|size| start.checked_add(size));
            let Some(payload) = end.and_then(|end| input.get(start..end)) else { break };
            used = start + payload.len();
            self.handle_frame(first, payload, handle)?;
        }
        Ok(used)
    }

    fn handle_frame(
        &mut self,
        first: u8,
        payload: &[u8],
        handle: &mut impl FnMut(Received<'_>) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        let wrong = LoadError::WrongFrame { first, length: payload.len() as u64 };
        let is_final = first & FIN != 0;
        match first & !FIN {
            CLOSE => Err(closed(payload)),
            PING | PONG if payload.len() as u64 > MAX_CONTROL_LENGTH || !is_final => Err(wrong),
            PING => handle(Received::Ping(payload)),
            PONG => Ok(()),
            op_code @ (TEXT | BINARY) if self.fragments.is_none() => {
                if is_final {
                    return handle(Received::Message(op_code, payload));
                }
                self.fragments = Some((op_code, payload.to_vec()));
                Ok(())
            }
            CONTINUATION => {
                let Some((op_code, mut message)) = self.fragments.take() else {
                    return Err(wrong);
                };
                if message.len() + payload.len() > self.limit {
                    return Err(wrong);
                }
                message.extend_from_slice(payload);
                if is_final {
                    return handle(Received::Message(op_code, &message));
                }
                self.fragments = Some((op_code, message));
                Ok(())
            }
            _ => Err(wrong),
        }
    }
}

/// Returns the error for a close frame with this payload.
fn closed(payload: &[u8]) -> LoadError {
    let Some((code, reason)) = payload.split_first_chunk() else { return LoadError::Closed };
    let reason = String::from_utf8_lossy(reason).into_owned();
    LoadError::ClosedWith { code: u16::from_be_bytes(*code), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The opcode, or `None` for a ping, and the payload.
    type Read = (Option<u8>, Vec<u8>);

    fn read_split(input: &[u8], split: usize) -> Result<Vec<Read>, LoadError> {
        let mut reader = FrameReader::new(200);
        let mut received = Vec::new();
        for part in [&input[..split], &input[split..]] {
            reader.read(part, |one| {
                received.push(match one {
                    Received::Message(op_code, payload) => (Some(op_code), payload.to_vec()),
                    Received::Ping(payload) => (None, payload.to_vec()),
                });
                Ok(())
            })?;
        }
        Ok(received)
    }

    #[test]
    fn messages_fragments_and_pings_are_read_at_any_split() {
        let mut input = Vec::new();
        frame::append_reply(&mut input, 0x2, &[7; 200]);
        input.extend([0x01, 2, b'a', b'b', 0x89, 1, b'p', 0x80, 1, b'c', 0x8a, 0]);
        for split in 0..=input.len() {
            let expected =
                [(Some(0x2), vec![7; 200]), (None, b"p".to_vec()), (Some(0x1), b"abc".to_vec())];
            assert_eq!(read_split(&input, split).unwrap(), expected, "split at {split}");
        }
    }

    #[test]
    fn a_frame_that_breaks_the_protocol_is_an_error() {
        for input in [&[0x80, 0][..], &[0x82, 0x80], &[0x83, 0], &[0xc2, 0], &[0x82, 126, 0, 201]] {
            let error = read_split(input, 0).unwrap_err();
            assert!(matches!(error, LoadError::WrongFrame { .. }), "{input:?}: {error:?}");
        }
        assert!(matches!(read_split(&[0x88, 0], 1), Err(LoadError::Closed)));
        let error = read_split(b"\x88\x05\x03\xf0no\n", 3).unwrap_err();
        let expected = "the server closed the connection with code 1008: \"no\\n\"";
        assert_eq!(error.to_string(), expected);
    }
}
