use bytes::Bytes;

use super::Code;
use crate::wire::{MalformedMessage, WireFields, WireValue};

/// The maximum number of details that are read. Chosen: Google's APIs have at most one of each of
/// ten types.
const MAX_DETAILS: usize = 128;

/// A detail of an error: a `google.protobuf.Any`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The URL of the message's type, such as `type.googleapis.com/google.rpc.ErrorInfo`.
    pub type_url: Box<str>,
    /// The message in wire format.
    pub value: Bytes,
}

/// The content of the header `grpc-status-details-bin`: a `google.rpc.Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusDetails {
    /// The code.
    pub code: Code,
    /// The message.
    pub message: String,
    /// The details. At most 128 are read.
    pub details: Vec<Detail>,
}

impl Detail {
    /// Returns the full name of the message's type: what follows the last slash of the URL.
    pub fn type_name(&self) -> &str {
        self.type_url.rsplit('/').next().unwrap_or_default()
    }
}

impl StatusDetails {
    /// Decodes a `google.rpc.Status` in wire format. Details share the bytes.
    ///
    /// # Errors
    /// [`MalformedMessage`] if the bytes are not such a message, or have more than 128 details.
    pub fn decode(bytes: &Bytes) -> Result<Self, MalformedMessage> {
        let mut status = Self { code: Code::Ok, message: String::new(), details: Vec::new() };
        for field in WireFields::new(bytes) {
            match field? {
                // An enum is 32 bits of the varint. Negative numbers have no code.
                (1, WireValue::Varint(number)) => {
                    status.code = Code::from_number(u32::try_from(number).unwrap_or(u32::MAX));
                }
                (2, WireValue::Bytes(message)) => {
                    status.message = String::from_utf8_lossy(message).into_owned();
                }
                (3, WireValue::Bytes(detail)) => {
                    if status.details.len() == MAX_DETAILS {
                        return Err(MalformedMessage);
                    }
                    status.details.push(decode_detail(bytes, detail)?);
                }
                _ => {}
            }
        }
        Ok(status)
    }
}

fn decode_detail(whole: &Bytes, detail: &[u8]) -> Result<Detail, MalformedMessage> {
    let (mut type_url, mut value) = (Box::default(), Bytes::new());
    for field in WireFields::new(detail) {
        match field? {
            (1, WireValue::Bytes(url)) => {
                type_url = std::str::from_utf8(url).map_err(|_| MalformedMessage)?.into();
            }
            (2, WireValue::Bytes(bytes)) => value = whole.slice_ref(bytes),
            _ => {}
        }
    }
    Ok(Detail { type_url, value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::write;

    pub(super) fn status(details: &[(&str, &[u8])]) -> Bytes {
        let mut out = Vec::new();
        write::integer(1, 5, &mut out);
        write::bytes(2, "no such book", &mut out);
        for (type_url, value) in details {
            let mut detail = Vec::new();
            write::bytes(1, type_url, &mut detail);
            write::bytes(2, value, &mut detail);
            write::bytes(3, &detail, &mut out);
        }
        out.into()
    }

    #[test]
    fn a_status_has_its_details() {
        let details =
            [("type.googleapis.com/google.rpc.ErrorInfo", &b"\x0a\x01r"[..]), ("bare.Type", b"")];
        let decoded = StatusDetails::decode(&status(&details)).unwrap();
        assert_eq!((decoded.code, &*decoded.message), (Code::NotFound, "no such book"));
        let found: Vec<_> =
            decoded.details.iter().map(|detail| (detail.type_name(), &detail.value[..])).collect();
        assert_eq!(found, [("google.rpc.ErrorInfo", &b"\x0a\x01r"[..]), ("bare.Type", b"")]);
    }

    #[test]
    fn a_negative_code_is_unknown() {
        let mut bytes = Vec::new();
        write::integer(1, u64::MAX, &mut bytes);
        assert_eq!(StatusDetails::decode(&bytes.into()).unwrap().code, Code::Unknown);
    }

    #[test]
    fn the_number_of_details_is_bounded() {
        let details = vec![("a", &b""[..]); MAX_DETAILS + 1];
        assert_eq!(StatusDetails::decode(&status(&details)), Err(MalformedMessage));
        assert!(StatusDetails::decode(&status(&details[1..])).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..48)) {
            let _ = StatusDetails::decode(&bytes.into());
        }
    }
}
