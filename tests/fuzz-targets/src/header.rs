//! A decoded header encodes to the same bytes, and no proper prefix of them decodes.

use sockeye_proto::frame::{Header, MAX_HEADER_SIZE};

/// Checks one input.
pub fn check(input: &[u8]) {
    let decoded = Header::decode(input);
    let Ok(Some((header, size))) = decoded else {
        if decoded == Ok(None) {
            assert!(input.len() < MAX_HEADER_SIZE);
        }
        // An error stays an error, whatever bytes follow.
        let longer = [input, &[0; MAX_HEADER_SIZE]].concat();
        if decoded.is_err() {
            assert_eq!(Header::decode(&longer), decoded);
        }
        return;
    };
    let mut encoded = Vec::new();
    header.encode(&mut encoded);
    assert_eq!(encoded, &input[..size]);
    for end in 0..size {
        assert_eq!(Header::decode(&input[..end]), Ok(None));
    }
}
