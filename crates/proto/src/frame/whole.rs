use bytes::{Buf, Bytes, BytesMut};

use super::{Header, OpCode, Reserved};
use crate::error::ProtocolError;
use crate::mask::{self, MaskKey};

/// A frame with its payload, unmasked but otherwise as received: still compressed, if an extension
/// compressed it.
///
/// Programs use frames to forward or change traffic whose messages they leave to others, and to
/// implement extensions, which define the bits in [`reserved`](Self::reserved).
///
/// ```
/// use bytes::BytesMut;
/// use sockeye_proto::frame::{Frame, OpCode};
///
/// let frame = Frame::new(OpCode::Text, "Hello");
/// let mut wire = Vec::new();
/// frame.encode(Some([0x37, 0xfa, 0x21, 0x3d]), &mut wire);
///
/// // A client's frames are masked; the limit is 1,000 bytes here.
/// let mut input = BytesMut::from(&wire[..]);
/// assert_eq!(Frame::decode(&mut input, true, 1000)?, Some(frame));
/// # Ok::<(), sockeye_proto::ProtocolError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// `true` for the last frame of a message.
    pub fin: bool,
    /// The bits RSV1 to RSV3, which belong to extensions.
    pub reserved: Reserved,
    /// The opcode: the type of the frame.
    pub opcode: OpCode,
    /// The payload, unmasked.
    pub payload: Bytes,
}

impl Frame {
    /// Creates a message in one frame, or a control frame, without reserved bits.
    pub fn new(opcode: OpCode, payload: impl Into<Bytes>) -> Self {
        Self { fin: true, reserved: Reserved::NONE, opcode, payload: payload.into() }
    }

    /// Returns this frame with or without the FIN bit: without it, more frames of the message
    /// follow.
    pub fn with_fin(self, fin: bool) -> Self {
        Self { fin, ..self }
    }

    /// Returns this frame with these reserved bits, to which an extension gives a meaning.
    pub fn with_reserved(self, reserved: Reserved) -> Self {
        Self { reserved, ..self }
    }

    /// Takes the frame at the start of `input`, if the frame is complete; its payload shares that
    /// buffer. `masked` says whether the peer must mask its frames: a client must, a server must
    /// not. `limit` is the maximum length of a payload, in bytes.
    ///
    /// Only rules on single frames are checked: not the order of fragments, the meaning of reserved
    /// bits, UTF-8, or the content of close frames.
    ///
    /// # Errors
    /// Same as [`Header::decode`]; [`ProtocolError::Unmasked`] and [`ProtocolError::Masked`];
    /// [`ProtocolError::FrameTooLong`] as soon as the header has arrived. The input is unusable
    /// afterwards.
    pub fn decode(
        input: &mut BytesMut,
        masked: bool,
        limit: usize,
    ) -> Result<Option<Self>, ProtocolError> {
        let Some((header, size)) = Header::decode(input)? else { return Ok(None) };
        match (masked, header.mask) {
            //= https://www.rfc-editor.org/rfc/rfc6455#section-5.1
            //# The server MUST close the connection upon receiving a frame that is
            //# not masked.
            (true, None) => return Err(ProtocolError::Unmasked),
            //= https://www.rfc-editor.org/rfc/rfc6455#section-5.1
            //# A client MUST close a connection if it detects a masked
            //# frame.
            (false, Some(_)) => return Err(ProtocolError::Masked),
            (true, Some(_)) | (false, None) => {}
        }
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        if length > limit {
            let (length, limit) = (header.length, limit as u64);
            return Err(ProtocolError::FrameTooLong { length, limit });
        }
        if input.len() - size < length {
            return Ok(None);
        }
        input.advance(size);
        let mut payload = input.split_to(length);
        if let Some(key) = header.mask {
            mask::apply(&mut payload, key, 0);
        }
        let Header { fin, reserved, opcode, .. } = header;
        Ok(Some(Self { fin, reserved, opcode, payload: payload.freeze() }))
    }

    /// Returns the header of the frame with this mask key: a fresh key for each frame from a
    /// client, `None` from a server.
    pub fn header(&self, mask: Option<MaskKey>) -> Header {
        let Self { fin, reserved, opcode, .. } = *self;
        Header { fin, reserved, opcode, mask, length: self.payload.len() as u64 }
    }

    /// Appends the frame to `out`, masked if there is a key.
    pub fn encode(&self, mask: Option<MaskKey>, out: &mut Vec<u8>) {
        self.header(mask).encode(out);
        match mask {
            Some(key) => mask::extend(out, &self.payload, key),
            None => out.extend_from_slice(&self.payload),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<Frame> {
        vec![
            Frame { fin: false, reserved: Reserved::RSV1, ..Frame::new(OpCode::Text, "salmon") },
            Frame::new(OpCode::Ping, vec![7; 125]),
            Frame { fin: false, ..Frame::new(OpCode::Continuation, "") },
            Frame { fin: true, ..Frame::new(OpCode::Continuation, vec![8; 70_000]) },
            Frame {
                reserved: Reserved::from_bits(3).unwrap(),
                ..Frame::new(OpCode::Close, "\u{3}")
            },
        ]
    }

    #[test]
    fn frames_are_encoded_again_as_they_were_received() {
        for mask in [None, Some([1, 2, 3, 4])] {
            let mut wire = Vec::new();
            for frame in frames() {
                frame.encode(mask, &mut wire);
            }
            for size in [1, 7, 1000, wire.len()] {
                let (mut input, mut taken, mut reencoded) =
                    (BytesMut::new(), Vec::new(), Vec::new());
                for piece in wire.chunks(size) {
                    input.extend_from_slice(piece);
                    while let Some(frame) =
                        Frame::decode(&mut input, mask.is_some(), 70_000).unwrap()
                    {
                        frame.encode(mask, &mut reencoded);
                        taken.push(frame);
                    }
                }
                assert_eq!(taken, frames());
                assert!(reencoded == wire && input.is_empty(), "{size} bytes at a time");
            }
        }
    }

    #[test]
    fn frames_that_break_a_header_rule_are_refused() {
        let decode = |wire: &[u8], masked| Frame::decode(&mut BytesMut::from(wire), masked, 10);
        assert_eq!(decode(&[0x81, 0], true), Err(ProtocolError::Unmasked));
        assert_eq!(decode(&[0x81, 0x80, 0, 0, 0, 0], false), Err(ProtocolError::Masked));
        let error = ProtocolError::FrameTooLong { length: 11, limit: 10 };
        assert_eq!(decode(&[0x81, 11], false), Err(error));
        assert_eq!(decode(&[0x83, 0], false), Err(ProtocolError::ReservedOpCode { opcode: 3 }));
        assert_eq!(decode(&[0x81, 10], false), Ok(None));
    }
}
