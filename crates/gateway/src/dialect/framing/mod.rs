//! Framing of messages, without I/O: bytes in, messages out, and the reverse.
//!
//! | format | in | out |
//! |---|---|---|
//! | length-prefixed messages of gRPC, gRPC-Web and Connect | [`EnvelopeDecoder`] | [`Envelope::encode`] |
//! | trailers of gRPC-Web | [`decode_header_block`] | [`encode_header_block`] |
//! | base64 of gRPC-Web-Text | [`TextDecoder`] | [`encode_text`] |
//! | the end of Connect's streams | [`EndStream::from_json`] | [`EndStream::to_json`] |
//! | JSON values one after the other, or in an array | [`JsonSplitter`] | [`JsonStreamWriter`] |
//! | `grpc-websockets` | [`WebSocketRequest`] | [`encode_header_frame`] |
//! | packets of type, length, who and content | [`Packets`] | [`Packet::encode`] |
//! | `sockeye.grpc.v1` | [`ClientFrame`] | [`ServerFrame`] |
//!
//! Every decoder has a limit, returns the same messages however the input is cut, and refuses
//! input that ends within a message.

mod connect;
mod envelope;
mod grpc_web_text;
mod grpc_websockets;
mod header_block;
mod json_splitter;
mod json_stream;
mod packet;
mod sockeye_grpc;

pub use self::connect::EndStream;
pub use self::envelope::{Envelope, EnvelopeDecoder, EnvelopeError, EnvelopeFormat};
pub use self::grpc_web_text::{TextDecoder, TextError, encode_text};
pub use self::grpc_websockets::{
    FINISH, WebSocketMessage, WebSocketMessageError, WebSocketRequest, encode_data,
    encode_header_frame,
};
pub use self::header_block::{HeaderBlockError, decode_header_block, encode_header_block};
pub use self::json_splitter::{JsonSplitError, JsonSplitter};
pub use self::json_stream::{JsonStreamForm, JsonStreamWriter};
pub use self::packet::{Packet, PacketError, Packets};
pub use self::sockeye_grpc::{
    CallEnd, CallFault, CallMessage, CallStart, ClientFrame, FrameError, INITIAL_CREDIT,
    ServerFrame,
};

/// Cuts of input for the tests of decoders.
#[cfg(test)]
mod cuts {
    use bytes::Bytes;

    /// Calls `check` with the whole input, each cut into two parts, and all single bytes.
    pub(super) fn for_each(input: &[u8], mut check: impl FnMut(Vec<Bytes>)) {
        let copy = Bytes::copy_from_slice;
        for cut in 0..=input.len() {
            check(vec![copy(&input[..cut]), copy(&input[cut..])]);
        }
        check(input.chunks(1).map(copy).collect());
    }
}
