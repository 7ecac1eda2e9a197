use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::status::{Code, ConnectError};

/// The maximum number of values of metadata that are read. Chosen: ten times the default limit of
/// hyper for the headers of HTTP/1.1.
const MAX_VALUES: usize = 1024;

/// The payload of the last envelope of a stream in Connect.
///
/// ```
/// use sockeye_gateway::dialect::framing::EndStream;
/// use sockeye_gateway::status::{Code, ConnectError};
///
/// let mut end = EndStream::default();
/// assert_eq!(end.to_json(), "{}");
/// end.error = Some(ConnectError { code: Code::Aborted, message: "no".into(), details: vec![] });
/// end.metadata.insert("x-a", "1".parse()?);
/// let json = r#"{"error":{"code":"aborted","message":"no"},"metadata":{"x-a":["1"]}}"#;
/// assert_eq!(end.to_json(), json);
/// assert_eq!(EndStream::from_json(json.as_bytes()), Some(end));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndStream {
    /// The error. `None` if the call succeeded.
    pub error: Option<ConnectError>,
    /// The trailing metadata.
    pub metadata: HeaderMap,
}

#[derive(Serialize)]
struct Output<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'a str, Vec<&'a str>>,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, Vec<String>>>,
}

impl EndStream {
    /// Returns the JSON. Metadata that are not printable ASCII are left out.
    pub fn to_json(&self) -> String {
        let mut metadata: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, value) in &self.metadata {
            if let Ok(value) = value.to_str() {
                metadata.entry(name.as_str()).or_default().push(value);
            }
        }
        let error = self.error.as_ref();
        let error = error.and_then(|error| RawValue::from_string(error.to_json()).ok());
        // Strings and valid JSON can always be written.
        serde_json::to_string(&Output { error, metadata }).unwrap_or_default()
    }

    /// Reads the JSON. `None` if the text is not such JSON, or has more than 1024 values of
    /// metadata.
    ///
    /// An error that cannot be read is [`Code::Unknown`], and metadata that cannot be headers are
    /// left out.
    pub fn from_json(json: &[u8]) -> Option<Self> {
        // An array would be read as the fields in their order.
        if !json.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        let input: Input<'_> = serde_json::from_slice(json).ok()?;
        let error = input.error.map(|error| {
            let text = error.get().as_bytes();
            ConnectError::from_json(text, Code::Unknown).unwrap_or_else(|| ConnectError {
                code: Code::Unknown,
                message: String::new(),
                details: Vec::new(),
            })
        });
        let mut metadata = HeaderMap::new();
        for (name, values) in input.metadata.unwrap_or_default() {
            let Ok(name) = HeaderName::try_from(name) else { continue };
            for value in values {
                if metadata.len() == MAX_VALUES {
                    return None;
                }
                if let Ok(value) = HeaderValue::try_from(value) {
                    metadata.append(name.clone(), value);
                }
            }
        }
        Some(Self { error, metadata })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_end_without_an_error_is_a_success() {
        for json in ["{}", r#"{"error":null}"#, r#"{"metadata":null}"#, r#"{"other":1}"#] {
            assert_eq!(EndStream::from_json(json.as_bytes()), Some(EndStream::default()), "{json}");
        }
        for json in ["", "null", "[]", "{", "{}{}", r#"{"metadata":{"a":"b"}}"#] {
            assert_eq!(EndStream::from_json(json.as_bytes()), None, "{json}");
        }
    }

    #[test]
    fn an_error_that_cannot_be_read_is_unknown() {
        for json in [r#"{"error":{}}"#, r#"{"error":5}"#, r#"{"error":{"code":1}}"#] {
            let error = EndStream::from_json(json.as_bytes()).unwrap().error.unwrap();
            assert_eq!(error.code, Code::Unknown, "{json}");
        }
    }

    #[test]
    fn metadata_that_cannot_be_headers_are_left_out() {
        let json = r#"{"metadata":{"a b":["1"],"X-A":["1","\n","2"]}}"#;
        let end = EndStream::from_json(json.as_bytes()).unwrap();
        assert_eq!(end.metadata.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(end.metadata.len(), 2);
        let many = format!(r#"{{"metadata":{{"a":[{}"1"]}}}}"#, r#""1","#.repeat(MAX_VALUES));
        assert_eq!(EndStream::from_json(many.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]{}\":,a-e]{0,32}") {
            let _ = EndStream::from_json(text.as_bytes());
        }
    }
}
