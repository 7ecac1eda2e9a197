use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Code, Detail, StatusDetails, base64_any, decode_message, encode_message};

/// The header with the number of the code.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The header with the percent-encoded message.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The header with a `google.rpc.Status` in base64.
pub const GRPC_STATUS_DETAILS_BIN: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The end of a call: a code, a message, and details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The code.
    pub code: Code,
    /// The message for developers.
    pub message: String,
    /// The content of `grpc-status-details-bin`, a `google.rpc.Status` in wire format. Empty if
    /// there is none.
    pub details: Bytes,
}

impl Status {
    /// Creates a status without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Bytes::new() }
    }

    /// Reads the status from the trailers of a gRPC response, or from its headers if it has no
    /// body. `None` if there is no `grpc-status`.
    ///
    /// A code that is not a number is [`Code::Unknown`], and malformed details are left out: an
    /// error remains an error.
    pub fn from_trailers(trailers: &HeaderMap) -> Option<Self> {
        let number = trailers.get(GRPC_STATUS)?.to_str().ok();
        let code =
            number.and_then(|text| text.parse().ok()).map_or(Code::Unknown, Code::from_number);
        let message = trailers.get(GRPC_MESSAGE).map(|value| decode_message(value.as_bytes()));
        let details = trailers.get(GRPC_STATUS_DETAILS_BIN);
        let details = details.and_then(|value| base64_any::decode(value.as_bytes()));
        Some(Self {
            code,
            message: message.unwrap_or_default(),
            details: details.unwrap_or_default().into(),
        })
    }

    /// Sets the headers of the status, and removes those that it does not have.
    pub fn set_trailers(&self, trailers: &mut HeaderMap) {
        trailers.insert(GRPC_STATUS, HeaderValue::from(self.code.number()));
        trailers.remove(GRPC_MESSAGE);
        trailers.remove(GRPC_STATUS_DETAILS_BIN);
        // Both values are printable ASCII, so that neither fails.
        if !self.message.is_empty()
            && let Ok(value) = HeaderValue::from_str(&encode_message(&self.message))
        {
            trailers.insert(GRPC_MESSAGE, value);
        }
        if !self.details.is_empty()
            && let Ok(value) = HeaderValue::from_str(&base64_any::encode(&self.details))
        {
            trailers.insert(GRPC_STATUS_DETAILS_BIN, value);
        }
    }

    /// Decodes the details. Empty if there are none, or if they are malformed.
    pub fn decode_details(&self) -> Vec<Detail> {
        StatusDetails::decode(&self.details).map_or_else(|_| Vec::new(), |status| status.details)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trailers(headers: &[(HeaderName, &str)]) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        headers.iter().map(|(name, text)| (name.clone(), value(text))).collect()
    }

    #[test]
    fn a_status_is_read_from_trailers() {
        let trailers = trailers(&[
            (GRPC_STATUS, "5"),
            (GRPC_MESSAGE, "no b%C3%BCcher"),
            (GRPC_STATUS_DETAILS_BIN, "CAU="),
        ]);
        let status = Status::from_trailers(&trailers).unwrap();
        assert_eq!((status.code, &*status.message), (Code::NotFound, "no bücher"));
        assert_eq!(status.details, &[8, 5][..]);
        assert_eq!(Status::from_trailers(&HeaderMap::new()), None);
    }

    #[test]
    fn an_error_with_malformed_headers_remains_an_error() {
        for number in ["", "x", "-1", "17", "99999999999"] {
            let trailers = trailers(&[(GRPC_STATUS, number), (GRPC_STATUS_DETAILS_BIN, "*")]);
            let status = Status::from_trailers(&trailers).unwrap();
            assert_eq!(status, Status::new(Code::Unknown, ""), "{number}");
        }
    }

    #[test]
    fn headers_that_a_status_does_not_have_are_removed() {
        let mut trailers =
            trailers(&[(GRPC_STATUS, "5"), (GRPC_MESSAGE, "m"), (GRPC_STATUS_DETAILS_BIN, "CAU")]);
        Status::new(Code::Ok, "").set_trailers(&mut trailers);
        assert_eq!(trailers.len(), 1);
        assert_eq!(trailers[GRPC_STATUS], "0");
    }

    proptest! {
        #[test]
        fn a_status_survives(
            number in 0_u32..17,
            message in any::<String>(),
            details in proptest::collection::vec(any::<u8>(), 0..16),
        ) {
            let status =
                Status { code: Code::from_number(number), message, details: details.into() };
            let mut trailers = HeaderMap::new();
            status.set_trailers(&mut trailers);
            prop_assert_eq!(Status::from_trailers(&trailers), Some(status));
        }
    }
}
