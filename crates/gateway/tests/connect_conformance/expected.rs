//! The responses that the definitions in requests ask for.

use prost::Message;

use crate::messages::{
    Any, BidiStreamRequest, CallRequest, CallResponse, Error, Payload, REQUEST_INFO, RequestInfo,
    ServerStreamRequest, StreamDefinition, StreamType, UnaryRequest,
};

/// Returns the response to a call whose case does not state it.
pub(crate) fn response(request: &CallRequest) -> CallResponse {
    match request.stream_type() {
        StreamType::Unary | StreamType::ClientStream => unary(request),
        StreamType::ServerStream => {
            let definition = first::<ServerStreamRequest>(request).response_definition;
            stream(request, definition.unwrap_or_default())
        }
        _ => {
            let definition = first::<BidiStreamRequest>(request).response_definition;
            stream(request, definition.unwrap_or_default())
        }
    }
}

fn first<M: Message + Default>(request: &CallRequest) -> M {
    let first = request.request_messages.first();
    first.map(|message| M::decode(message.value.as_slice()).unwrap()).unwrap_or_default()
}

fn info(request: &CallRequest) -> RequestInfo {
    RequestInfo {
        request_headers: request.request_headers.clone(),
        timeout_ms: request.timeout_ms.map(Into::into),
        requests: request.request_messages.clone(),
    }
}

fn with_info(mut error: Error, info: &RequestInfo) -> Error {
    error.details.push(Any::of(REQUEST_INFO, info.encode_to_vec()));
    error
}

fn unary(request: &CallRequest) -> CallResponse {
    let definition = first::<UnaryRequest>(request).response_definition.unwrap_or_default();
    let info = info(request);
    let mut response = CallResponse {
        response_headers: definition.response_headers,
        response_trailers: definition.response_trailers,
        ..CallResponse::default()
    };
    match definition.error {
        Some(error) => response.error = Some(with_info(error, &info)),
        None => response.payloads.push(Payload {
            data: definition.response_data.unwrap_or_default(),
            request_info: Some(info),
        }),
    }
    response
}

fn stream(request: &CallRequest, definition: StreamDefinition) -> CallResponse {
    let info = info(request);
    let is_full_duplex = request.stream_type() == StreamType::FullDuplex;
    let payloads = definition.response_data.iter().enumerate().map(|(index, data)| {
        let mut info = (index == 0 || is_full_duplex).then(|| info.clone());
        if let Some(info) = info.as_mut().filter(|_| is_full_duplex) {
            // Each response answers one request.
            info.requests = vec![request.request_messages[index].clone()];
            if index > 0 {
                (info.request_headers, info.timeout_ms) = (Vec::new(), None);
            }
        }
        Payload { data: data.clone(), request_info: info }
    });
    let payloads: Vec<_> = payloads.collect();
    let error = definition
        .error
        .map(|error| if payloads.is_empty() { with_info(error, &info) } else { error });
    CallResponse {
        response_headers: definition.response_headers,
        payloads,
        error,
        response_trailers: definition.response_trailers,
        ..CallResponse::default()
    }
}

/// Returns a message whose encoding has this size, by padding its `request_data` with zeros.
pub(crate) fn pad(message: &Any, size: usize) -> Any {
    let value = match message.type_name().rsplit('.').next().unwrap_or_default() {
        "ServerStreamRequest" => {
            padded(message, size, |request: &mut ServerStreamRequest| &mut request.request_data)
        }
        "BidiStreamRequest" => {
            padded(message, size, |request: &mut BidiStreamRequest| &mut request.request_data)
        }
        _ => padded(message, size, |request: &mut UnaryRequest| &mut request.request_data),
    };
    Any { value, ..message.clone() }
}

fn padded<M: Message + Default>(
    message: &Any,
    size: usize,
    data: impl Fn(&mut M) -> &mut Vec<u8>,
) -> Vec<u8> {
    let mut message = M::decode(message.value.as_slice()).unwrap();
    // The first step changes the size of the length, too.
    for _ in 0..2 {
        let length = (data(&mut message).len() + size).saturating_sub(message.encoded_len());
        data(&mut message).resize(length, 0);
    }
    assert_eq!(message.encoded_len(), size);
    message.encode_to_vec()
}
