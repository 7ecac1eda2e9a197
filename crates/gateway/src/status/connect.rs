use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Code, Detail, Status, base64_any};

/// An error of Connect, as the body of a unary response or in the end of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    /// The code, never [`Code::Ok`].
    pub code: Code,
    /// The message for developers.
    pub message: String,
    /// The details.
    pub details: Vec<ConnectDetail>,
}

/// A detail of a [`ConnectError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectDetail {
    /// The full name of the message's type.
    pub type_name: Box<str>,
    /// The message in wire format.
    pub value: Bytes,
    /// The message in JSON, for people.
    pub debug: Option<Box<str>>,
}

#[derive(Serialize)]
struct Output<'a> {
    code: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<OutputDetail<'a>>,
}

#[derive(Serialize)]
struct OutputDetail<'a> {
    r#type: &'a str,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow, default)]
    code: Option<Cow<'a, str>>,
    #[serde(default)]
    message: Option<String>,
    #[serde(borrow, default)]
    details: Option<Vec<InputDetail<'a>>>,
}

#[derive(Deserialize)]
struct InputDetail<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    #[serde(borrow, default)]
    debug: Option<&'a RawValue>,
}

impl ConnectError {
    /// Creates the error of a status. `debug` returns the JSON of a detail's message, if its type
    /// is known; text that is not JSON is left out.
    pub fn new(status: &Status, debug: impl Fn(&Detail) -> Option<String>) -> Self {
        let details = status.decode_details();
        let details = details.iter().map(|detail| ConnectDetail {
            type_name: detail.type_name().into(),
            value: detail.value.clone(),
            debug: debug(detail).map(Into::into),
        });
        // Success is no error, and Connect has no name for it.
        let code = if status.code == Code::Ok { Code::Unknown } else { status.code };
        Self { code, message: status.message.clone(), details: details.collect() }
    }

    /// Returns the JSON of the error.
    pub fn to_json(&self) -> String {
        let details = self.details.iter().map(|detail| OutputDetail {
            r#type: &detail.type_name,
            value: base64_any::encode(&detail.value),
            debug: detail.debug.as_deref().and_then(|json| serde_json::from_str(json).ok()),
        });
        let output = Output {
            code: self.code.connect_name(),
            message: &self.message,
            details: details.collect(),
        };
        // Strings and valid JSON can always be written.
        serde_json::to_string(&output).unwrap_or_default()
    }

    /// Reads an error from the body of a response with an HTTP status.
    ///
    /// No body is refused: where the code is missing or unknown, it follows from the status, and
    /// malformed details are left out.
    pub fn from_response(status: StatusCode, body: &[u8]) -> Self {
        let fallback = Code::from_http_status(status);
        Self::from_json(body, fallback).unwrap_or_else(|| Self {
            code: fallback,
            message: format!("HTTP status {}", status.as_u16()),
            details: Vec::new(),
        })
    }

    /// Reads an error from JSON. An unknown or missing code is `fallback`. `None` if the text is
    /// not an error in JSON.
    pub(crate) fn from_json(json: &[u8], fallback: Code) -> Option<Self> {
        // An array would be read as the fields in their order.
        if !json.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        let input: Input<'_> = serde_json::from_slice(json).ok()?;
        let code = input.code.and_then(|name| Code::from_connect_name(&name)).unwrap_or(fallback);
        let details = input.details.unwrap_or_default().into_iter().filter_map(|detail| {
            Some(ConnectDetail {
                type_name: detail.r#type.into(),
                value: base64_any::decode(detail.value.as_bytes())?.into(),
                debug: detail.debug.map(|json| json.get().into()),
            })
        });
        Some(Self { code, message: input.message.unwrap_or_default(), details: details.collect() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error() -> ConnectError {
        ConnectError {
            code: Code::NotFound,
            message: "no \"book\"".into(),
            details: vec![ConnectDetail {
                type_name: "a.B".into(),
                value: Bytes::from_static(&[0xff]),
                debug: Some(r#"{"c":1}"#.into()),
            }],
        }
    }

    #[test]
    fn an_error_is_json_with_unpadded_details() {
        let json = r#"{"code":"not_found","message":"no \"book\"","details":[{"type":"a.B","value":"/w","debug":{"c":1}}]}"#;
        assert_eq!(error().to_json(), json);
        assert_eq!(ConnectError::from_response(StatusCode::OK, json.as_bytes()), error());
    }

    #[test]
    fn what_an_error_does_not_have_is_left_out() {
        let internal = ConnectError::new(&Status::new(Code::Internal, ""), |_| None);
        assert_eq!(internal.to_json(), r#"{"code":"internal"}"#);
        let mut error = error();
        error.details[0].debug = Some("}".into());
        assert_eq!(
            error.to_json(),
            r#"{"code":"not_found","message":"no \"book\"","details":[{"type":"a.B","value":"/w"}]}"#
        );
    }

    #[test]
    fn a_status_without_an_error_is_unknown() {
        assert_eq!(ConnectError::new(&Status::new(Code::Ok, ""), |_| None).code, Code::Unknown);
    }

    #[test]
    fn a_body_without_a_code_has_that_of_the_status() {
        let read = |body: &str| {
            let error = ConnectError::from_response(StatusCode::NOT_FOUND, body.as_bytes());
            (error.code, error.message)
        };
        assert_eq!(read("<html>"), (Code::Unimplemented, "HTTP status 404".into()));
        assert_eq!(read("[]"), (Code::Unimplemented, "HTTP status 404".into()));
        assert_eq!(read("{}"), (Code::Unimplemented, String::new()));
        assert_eq!(read(r#"{"code":"zzz","message":"m"}"#), (Code::Unimplemented, "m".into()));
        assert_eq!(read(r#"{"code":null,"message":null}"#), (Code::Unimplemented, String::new()));
        assert_eq!(read(r#"{"code":"aborted"}"#), (Code::Aborted, String::new()));
    }

    #[test]
    fn malformed_details_are_left_out() {
        let body = br#"{"code":"aborted","details":[{"type":"a","value":"*"},{"type":"b","value":"_w=="}]}"#;
        let error = ConnectError::from_response(StatusCode::CONFLICT, body);
        let [detail] = &error.details[..] else { panic!("{error:?}") };
        assert_eq!((&*detail.type_name, &detail.value[..]), ("b", &[0xff][..]));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in "[\\[\\]{}\":,a-e]{0,32}") {
            ConnectError::from_response(StatusCode::OK, body.as_bytes());
        }
    }
}
