//! JSON over HTTP, by the HTTP rules of the method.

mod node;
mod query;
mod rule;

use std::collections::BTreeMap;

use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;
use sockeye::escape;
use sockeye::http::header::{ACCEPT, CONTENT_TYPE};
use sockeye::http::{HeaderMap, HeaderValue, Method, Response};
use sockeye_gateway::deadline::TimeoutForm;
use sockeye_gateway::dialect::framing::JsonSplitter;
use sockeye_gateway::status::Code;
use tonic::body::Body;

use crate::client::Failure;
use crate::commands::call::MAX_MESSAGE;
use crate::commands::call::exchange::{
    Exchange, next_frame, other_protocol, read_whole, whole_body, with_body,
};
use crate::commands::call::output::Output;
use crate::commands::call::requests::Requests;
use crate::commands::call::rpc_error::RpcError;
use rule::RestRequest;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The body of an error, or the object in it in a stream.
#[derive(Deserialize)]
struct ErrorBody {
    code: u32,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Vec<Box<RawValue>>,
}

impl From<ErrorBody> for RpcError {
    fn from(body: ErrorBody) -> Self {
        let details = body.details.iter().map(|detail| detail.get().to_owned()).collect();
        Self { code: Code::from_number(body.code), message: body.message, details }
    }
}

/// Makes a call.
pub(in super::super) async fn call(
    exchange: Exchange<'_>,
    mut requests: Requests<'_>,
    mut output: Output<'_>,
) -> Result<(), Failure> {
    if !requests.are_stream() {
        let request = rule::bind(exchange.method, &requests.one().await?)?;
        let RestRequest { method, path, body } = request;
        let has_body = body.is_some();
        let body = body.map_or_else(Body::empty, |body| whole_body(body.into_bytes()));
        return Box::pin(send(&exchange, method, &path, has_body, body, &mut output)).await;
    }
    let (method, path) = rule::of_stream(exchange.method)?;
    let frame = |wire: &[u8]| {
        let json = rule::to_json(exchange.method, wire)?;
        Ok((json + "\n").into_bytes())
    };
    let receive =
        async |body: Body| Box::pin(send(&exchange, method, &path, true, body, &mut output)).await;
    with_body(requests, frame, receive).await
}

async fn send(
    exchange: &Exchange<'_>,
    method: Method,
    path: &str,
    has_body: bool,
    body: Body,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut connection = exchange.connector.connect(exchange.versions()).await?;
    let mut request = exchange.request(method, path, TimeoutForm::Server, body)?;
    let is_stream = exchange.method.descriptor.server_streaming;
    let accept = if is_stream {
        HeaderValue::from_static("application/x-ndjson, application/json")
    } else {
        JSON
    };
    request.headers_mut().insert(ACCEPT, accept);
    if has_body {
        request.headers_mut().insert(CONTENT_TYPE, JSON);
    }
    let response = connection.send(request).await?;
    if response.status().is_success() && is_stream {
        return read_stream(response, output).await;
    }
    let (head, body) = response.into_parts();
    let body = read_whole(body).await?;
    if head.status.is_success() {
        output.headers(&head.headers);
        output.json(valid(&body)?)?;
        return output.finish(None, &HeaderMap::new());
    }
    let Ok(error) = serde_json::from_slice::<ErrorBody>(&body) else {
        return Err(other_protocol(&head, "an answer by the HTTP rules"));
    };
    output.headers(&head.headers);
    output.finish(Some(error.into()), &HeaderMap::new())
}

/// Prints a stream: values one after the other or in an array.
async fn read_stream(response: Response<Incoming>, output: &mut Output<'_>) -> Result<(), Failure> {
    let (head, mut body) = response.into_parts();
    output.headers(&head.headers);
    let mut splitter = JsonSplitter::new(MAX_MESSAGE);
    let mut has_ended = false;
    let error = loop {
        let value = if has_ended { splitter.finish() } else { splitter.next_value() };
        let value = value.map_err(|error| {
            Failure::protocol(format!("the response is not a sequence of JSON values: {error}"))
        })?;
        if let Some(value) = value {
            match item(valid(&value)?) {
                Item::Message(message) => output.json(message)?,
                Item::Error(error) => break Some(error.into()),
            }
            continue;
        }
        if has_ended {
            break None;
        }
        match next_frame(&mut body).await? {
            Some(frame) => splitter.push(frame.into_data().unwrap_or_default()),
            None => has_ended = true,
        }
    };
    output.finish(error, &HeaderMap::new())
}

/// An item of a stream.
enum Item<'a> {
    Message(&'a str),
    Error(ErrorBody),
}

/// Takes an item out of the object that gateways put around it: `{"result":…}` or `{"error":…}`.
fn item(json: &str) -> Item<'_> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
    let mut members = members.into_iter();
    let (Some((name, value)), None) = (members.next(), members.next()) else {
        return Item::Message(json);
    };
    match (name.as_str(), serde_json::from_str(value.get())) {
        ("error", Ok(error)) => Item::Error(error),
        ("result", _) => Item::Message(value.get()),
        _ => Item::Message(json),
    }
}

/// Returns the text of a JSON value.
fn valid(json: &[u8]) -> Result<&str, Failure> {
    let value: Result<&RawValue, _> = serde_json::from_slice(json);
    value.map(RawValue::get).map_err(|error| {
        let error = error.to_string();
        Failure::protocol(format!("the response is not JSON: {}", escape(&error)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_a_stream_may_be_wrapped() {
        for (json, message) in [
            (r#"{"result":{"a":1}}"#, r#"{"a":1}"#),
            (r#"{"a":1}"#, r#"{"a":1}"#),
            (r#"{"result":1,"a":1}"#, r#"{"result":1,"a":1}"#),
            (r#"{"error":"text"}"#, r#"{"error":"text"}"#),
            ("5", "5"),
        ] {
            assert!(matches!(item(json), Item::Message(found) if found == message), "{json}");
        }
        let json = r#"{"error":{"code":5,"message":"m","details":[{"@type":"t"}]}}"#;
        let Item::Error(error) = item(json) else { panic!("no error: {json}") };
        let error = RpcError::from(error);
        assert_eq!((error.code, &*error.message), (Code::NotFound, "m"));
        assert_eq!(error.details, [r#"{"@type":"t"}"#]);
    }
}
