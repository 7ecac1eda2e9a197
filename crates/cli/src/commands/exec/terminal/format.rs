//! Output and screens as messages of the two subprotocols.

use serde_json::json;
use sockeye::Message;
use sockeye::bytes::{BufMut as _, Bytes, BytesMut};

/// The first byte of a message with output, in the subprotocol `tty`.
const TTYD_OUTPUT: u8 = b'0';

/// The form of output in a subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    SockeyeV1,
    Ttyd,
}

impl Format {
    /// Returns the message with output.
    pub(super) fn output(self, position: u64, pieces: &[Bytes]) -> Message {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        let mut message = BytesMut::with_capacity(length + 8);
        match self {
            Self::SockeyeV1 => message.put_u64(position),
            Self::Ttyd => message.put_u8(TTYD_OUTPUT),
        }
        for piece in pieces {
            message.put_slice(piece);
        }
        message.freeze().into()
    }

    /// Returns the message that makes a client show a screen.
    pub(super) fn screen(self, position: u64, state: &str) -> Message {
        match self {
            Self::SockeyeV1 => {
                json!({ "type": "screen", "offset": position, "data": state }).to_string().into()
            }
            // The terminal is reset before.
            Self::Ttyd => format!("{}\x1bc{state}", char::from(TTYD_OUTPUT)).into_bytes().into(),
        }
    }
}
