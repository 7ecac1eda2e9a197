//! Encoder and decoder of the frames that the load client sends and receives.
//!
//! Deliberately not Sockeye's code: a bug there must not be cancelled out by the same bug here.

/// The values of the 7-bit length field that announce a length of 16 or 64 bits.
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

const FIN: u8 = 0x80;
/// RSV1: the payload is compressed (RFC 7692 section 6).
pub(crate) const COMPRESSED: u8 = 0x40;
const MASK: u8 = 0x80;

/// Appends one final, masked frame; `first` is the opcode, with [`COMPRESSED`] where it applies.
/// The mask key is the first four bytes of `random`.
pub(crate) fn append_request(out: &mut Vec<u8>, first: u8, payload: &[u8], random: u64) {
    append_header(out, first, payload.len(), MASK);
    let [a, b, c, d, ..] = random.to_le_bytes();
    out.extend_from_slice(&[a, b, c, d]);
    let begin = out.len();
    out.extend_from_slice(payload);
    let key = [a, b, c, d, a, b, c, d];
    // Eight bytes at a time, which the compiler turns into vector instructions.
    let mut chunks = out[begin..].chunks_exact_mut(key.len());
    for chunk in &mut chunks {
        for (byte, key) in chunk.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// Appends one final, unmasked frame.
pub(crate) fn append_reply(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    append_header(out, first, payload.len(), 0);
    out.extend_from_slice(payload);
}

/// Appends a header in its shortest form (RFC 6455 section 5.2), without the mask key.
fn append_header(out: &mut Vec<u8>, first: u8, length: usize, mask_bit: u8) {
    out.push(FIN | first);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ ..LENGTH_16), _) => out.push(mask_bit | length),
        (_, Ok(length)) => {
            out.push(mask_bit | LENGTH_16);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(mask_bit | LENGTH_64);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// The header of a server's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The first byte without the FIN bit; `None` for a frame that is not final.
    pub(crate) first: Option<u8>,
    /// Size of the header, in bytes.
    pub(crate) size: usize,
    /// Length of the payload, in bytes. A mask bit appears as a length of 2^63 or more, which no
    /// reply has.
    pub(crate) length: u64,
}

/// Decodes the header at the front of `bytes`; `None` while it is incomplete.
pub(crate) fn decode_header(bytes: &[u8]) -> Option<Header> {
    let (&first, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (size, length) = match length {
        LENGTH_16 => (4, u64::from(u16::from_be_bytes(*rest.first_chunk()?))),
        LENGTH_64 => (10, u64::from_be_bytes(*rest.first_chunk()?)),
        length @ MASK.. => (2, u64::from(length) << 56),
        length => (2, u64::from(length)),
    };
    Some(Header { first: (first & FIN != 0).then_some(first & !FIN), size, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_take_the_shortest_form_at_each_edge() {
        for (length, header) in [
            (0, &[0x82, 0x80][..]),
            (125, &[0x82, 0xfd]),
            (126, &[0x82, 0xfe, 0, 126]),
            (65_535, &[0x82, 0xfe, 0xff, 0xff]),
            (65_536, &[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload = vec![7; length];
            let mut request = Vec::new();
            append_request(&mut request, 0x2, &payload, 1);
            assert_eq!(request[..header.len()], *header);
            assert_eq!(request.len(), header.len() + 4 + length);
            let mut reply = Vec::new();
            append_reply(&mut reply, 0x2, &payload);
            let expected = Header { first: Some(0x2), size: header.len(), length: length as u64 };
            assert_eq!(decode_header(&reply), Some(expected));
            for incomplete in 0..header.len() {
                assert_eq!(decode_header(&reply[..incomplete]), None);
            }
        }
    }

    #[test]
    fn the_masked_text_of_the_rfc_is_encoded_to_the_byte() {
        // RFC 6455 section 5.7: "A single-frame masked text message (contains "Hello")".
        let mut request = Vec::new();
        append_request(
            &mut request,
            0x1,
            b"Hello",
            u64::from_le_bytes([0x37, 0xfa, 0x21, 0x3d, 0, 0, 0, 0]),
        );
        let expected = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(request, expected);
    }

    #[test]
    fn a_frame_that_is_not_final_has_no_first_byte() {
        let expected = Header { first: None, size: 2, length: 5 };
        assert_eq!(decode_header(&[0x01, 5]), Some(expected));
    }

    #[test]
    fn a_masked_reply_has_a_length_that_no_message_has() {
        assert!(decode_header(&[0x82, 0x85]).unwrap().length >= 1 << 63);
    }
}
