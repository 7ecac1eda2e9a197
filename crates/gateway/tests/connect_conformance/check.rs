//! The comparison of a response with the expected one, by the rules of the suite's own runner.

use std::collections::BTreeMap;

use prost::Message as _;

use crate::messages::{
    Any, CallResponse, Error, Header, PACKAGE, Payload, REQUEST_INFO, RequestInfo, StreamType,
};
use crate::schema::Schema;
use crate::suites::Permutation;

/// The numbers of codes.
const CANCELED: i32 = 1;
const DEADLINE_EXCEEDED: i32 = 4;

/// Maximum time in milliseconds by which a timeout may be shorter when it arrives.
const TIMEOUT_TOLERANCE: i64 = 500;

/// Returns the differences between a response and the expected one. Empty if the case passes.
pub(crate) fn differences(
    schema: &Schema,
    permutation: &Permutation,
    actual: &CallResponse,
) -> Vec<String> {
    let mut check = Check { schema, differences: actual.feedback.clone() };
    let expected = &permutation.expected;
    let mut codes: Vec<_> = expected.error.iter().map(|error| error.code).collect();
    codes.extend(&permutation.other_codes);
    // A server may also cancel the stream of a client that has given up.
    if codes == [DEADLINE_EXCEEDED]
        && permutation.is_http2
        && permutation.request.timeout_ms.is_some()
    {
        codes.push(CANCELED);
    }
    check.error(expected.error.as_ref(), actual.error.as_ref(), &codes);
    check.payloads(&expected.payloads, &actual.payloads);
    check.metadata(permutation, actual);
    if let Some(status) = expected.http_status_code
        && actual.http_status_code != Some(status)
    {
        check.note(format!("HTTP {:?} instead of {status}", actual.http_status_code));
    }
    check.differences
}

struct Check<'a> {
    schema: &'a Schema,
    differences: Vec<String>,
}

impl Check<'_> {
    fn note(&mut self, difference: String) {
        self.differences.push(difference);
    }

    fn error(&mut self, expected: Option<&Error>, actual: Option<&Error>, codes: &[i32]) {
        let (expected, actual) = match (expected, actual) {
            (None, None) => return,
            (Some(expected), Some(actual)) => (expected, actual),
            (None, Some(error)) => return self.note(format!("an error: {error:?}")),
            (Some(error), None) => return self.note(format!("no error instead of {error:?}")),
        };
        if !codes.contains(&actual.code) {
            self.note(format!("the error {actual:?} instead of one of the codes {codes:?}"));
        }
        if expected.message.is_some() && expected.message != actual.message {
            self.note(format!(
                "the message {:?} instead of {:?}",
                actual.message, expected.message
            ));
        }
        let (details, wanted) = (&actual.details, &expected.details);
        if details.len() != wanted.len() {
            self.note(format!("{} details instead of {}", details.len(), wanted.len()));
        }
        for (wanted, detail) in wanted.iter().zip(details) {
            let request_info = format!("{PACKAGE}.{REQUEST_INFO}");
            if [wanted, detail].iter().all(|detail| detail.type_name() == request_info) {
                let [wanted, info] = [wanted, detail]
                    .map(|detail| RequestInfo::decode(detail.value.as_slice()).unwrap_or_default());
                self.request_info(&wanted, &info, true);
            } else {
                self.same(wanted, detail);
            }
        }
    }

    fn payloads(&mut self, expected: &[Payload], actual: &[Payload]) {
        if expected.len() != actual.len() {
            self.note(format!("{} messages instead of {}", actual.len(), expected.len()));
        }
        for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
            if expected.data != actual.data {
                self.note(format!("the data {:?} instead of {:?}", actual.data, expected.data));
            }
            let [expected, actual] =
                [expected, actual].map(|payload| payload.request_info.clone().unwrap_or_default());
            self.request_info(&expected, &actual, index == 0);
        }
    }

    /// Compares descriptions of requests. Only the first of a call has headers and the timeout.
    fn request_info(&mut self, expected: &RequestInfo, actual: &RequestInfo, is_first: bool) {
        if is_first {
            let problems =
                headers("request headers", &expected.request_headers, &actual.request_headers);
            self.differences.extend(problems);
            match (expected.timeout_ms, actual.timeout_ms) {
                (Some(max), Some(timeout)) => {
                    let min = (max - TIMEOUT_TOLERANCE).max(0);
                    if !(min..=max).contains(&timeout) {
                        self.note(format!("a timeout of {timeout} ms instead of {max} ms"));
                    }
                }
                (None, None) => {}
                (expected, actual) => {
                    self.note(format!("the timeout {actual:?} instead of {expected:?}"));
                }
            }
        }
        let (requests, wanted) = (&actual.requests, &expected.requests);
        if requests.len() != wanted.len() {
            self.note(format!("{} requests arrived instead of {}", requests.len(), wanted.len()));
        }
        for (wanted, request) in wanted.iter().zip(requests) {
            self.same(wanted, request);
        }
    }

    /// Compares messages by their meaning.
    fn same(&mut self, expected: &Any, actual: &Any) {
        if expected.type_name() != actual.type_name() {
            return self.note(format!("{} instead of {}", actual.type_url, expected.type_url));
        }
        let [expected, actual] = [expected, actual]
            .map(|message| self.schema.value(message.type_name(), &message.value));
        if expected != actual {
            // Padded messages are long.
            let shown = |value| format!("{value:?}").chars().take(400).collect::<String>();
            self.note(format!("{} instead of {}", shown(actual), shown(expected)));
        }
    }

    fn metadata(&mut self, permutation: &Permutation, actual: &CallResponse) {
        let CallResponse { response_headers, response_trailers, payloads, error, .. } =
            &permutation.expected;
        let mut problems = headers("headers", response_headers, &actual.response_headers);
        problems.extend(headers("trailers", response_trailers, &actual.response_trailers));
        let has_one_response = matches!(
            permutation.request.stream_type(),
            StreamType::Unary | StreamType::ClientStream
        );
        if payloads.is_empty() && error.is_some() && has_one_response {
            // Where an error carries the metadata, headers and trailers may be together.
            let merged = [response_headers.as_slice(), response_trailers].concat();
            let is_merged = |actual: &[Header]| headers("", &merged, actual).is_empty();
            if is_merged(&actual.response_headers) || is_merged(&actual.response_trailers) {
                return;
            }
        }
        self.differences.extend(problems);
    }
}

/// Returns which of the expected headers differ. Others may be there.
fn headers(part: &str, expected: &[Header], actual: &[Header]) -> Vec<String> {
    let actual: BTreeMap<_, _> =
        actual.iter().map(|header| (header.name.to_lowercase(), values(header))).collect();
    let differs =
        |header: &&Header| actual.get(&header.name.to_lowercase()) != Some(&values(header));
    let message = |header: &Header| {
        let found = actual.get(&header.name.to_lowercase());
        format!("{part}: {}: {found:?} instead of {:?}", header.name, header.value)
    };
    expected.iter().filter(differs).map(message).collect()
}

/// Returns the values of a header, which may have been joined by commas.
fn values(header: &Header) -> Vec<String> {
    let values = header.value.iter().flat_map(|value| value.split(','));
    values.map(|value| value.trim_matches(' ').to_owned()).collect()
}
