//! The properties of the framings.

use bytes::{Bytes, BytesMut};

use crate::dialect::framing::{
    EndStream, Envelope, EnvelopeDecoder, EnvelopeError, EnvelopeFormat, JsonSplitError,
    JsonSplitter, Packets, TextDecoder, TextError, WebSocketMessage, WebSocketRequest,
    decode_header_block, encode_data, encode_header_block, encode_text,
};

/// Maximum length of messages, in bytes: short, so that inputs exceed it.
const LIMIT: u32 = 64;

/// Longest input that is cut at every place: time is quadratic in its length.
const LONGEST_CUT: usize = 1024;

/// Calls `check` with the input whole, cut into two at each place, and in single bytes.
fn for_each_cut(input: &[u8], mut check: impl FnMut(Vec<Bytes>)) {
    let copy = Bytes::copy_from_slice;
    let places = if input.len() > LONGEST_CUT { 0..1 } else { 0..input.len() };
    for place in places {
        check(vec![copy(&input[..place]), copy(&input[place..])]);
    }
    check(input.chunks(1).map(copy).collect());
}

pub(super) fn check_json_splitter(input: &[u8]) {
    let Some((max_length, stream)) = input.split_first() else { return };
    let max_length = usize::from(*max_length);
    let whole = split(vec![Bytes::copy_from_slice(stream)], max_length);
    for_each_cut(stream, |chunks| assert_eq!(split(chunks, max_length), whole));
    let value = stream.trim_ascii();
    let is_single = !value.starts_with(b"[")
        && value.len() <= max_length
        && serde_json::from_slice::<serde::de::IgnoredAny>(stream).is_ok();
    if is_single && whole.1 != Err(JsonSplitError::TooDeep) {
        assert_eq!(whole, (vec![Bytes::copy_from_slice(value)], Ok(())));
    }
}

fn split(chunks: Vec<Bytes>, max_length: usize) -> (Vec<Bytes>, Result<(), JsonSplitError>) {
    let (mut splitter, mut values) = (JsonSplitter::new(max_length), Vec::new());
    let read = || {
        for chunk in chunks {
            splitter.push(chunk);
            while let Some(value) = splitter.next_value()? {
                values.push(value);
            }
        }
        while let Some(value) = splitter.finish()? {
            values.push(value);
        }
        Ok(())
    };
    let result = read();
    assert!(values.iter().all(|value| value.len() <= max_length && !value.is_empty()));
    (values, result)
}

pub(super) fn check(input: &[u8]) {
    let Some((format, stream)) = input.split_first() else { return };
    match format % 8 {
        0 => check_envelopes(EnvelopeFormat::Grpc, stream),
        1 => check_envelopes(EnvelopeFormat::GrpcWeb, stream),
        2 => check_envelopes(EnvelopeFormat::Connect, stream),
        3 => check_text(stream),
        4 => check_websocket(stream),
        5 => check_packets(stream),
        6 => {
            if let Ok(headers) = decode_header_block(stream) {
                assert_eq!(decode_header_block(&encode_header_block(&headers)), Ok(headers));
            }
        }
        _ => {
            if let Some(end) = EndStream::from_json(stream) {
                let again = EndStream::from_json(end.to_json().as_bytes());
                let again = again.expect("an end that was written is read");
                assert_eq!(again.error.is_some(), end.error.is_some());
            }
        }
    }
}

fn check_envelopes(format: EnvelopeFormat, stream: &[u8]) {
    let (envelopes, result) = envelopes(format, vec![Bytes::copy_from_slice(stream)]);
    for_each_cut(stream, |chunks| {
        assert_eq!(self::envelopes(format, chunks), (envelopes.clone(), result));
    });
    let mut encoded = BytesMut::new();
    for envelope in &envelopes {
        let written = Envelope::encode(envelope.flags, &envelope.payload, &mut encoded);
        written.expect("the payload is short");
    }
    assert_eq!(encoded, stream[..encoded.len()]);
    assert!(result.is_err() || encoded.len() == stream.len());
}

fn envelopes(
    format: EnvelopeFormat,
    chunks: Vec<Bytes>,
) -> (Vec<Envelope>, Result<(), EnvelopeError>) {
    let (mut decoder, mut envelopes) = (EnvelopeDecoder::new(format, LIMIT), Vec::new());
    let read = || {
        for chunk in chunks {
            decoder.push(chunk);
            while let Some(envelope) = decoder.next_envelope()? {
                envelopes.push(envelope);
            }
        }
        decoder.finish()
    };
    let result = read();
    (envelopes, result)
}

fn check_text(stream: &[u8]) {
    let whole = text(vec![Bytes::copy_from_slice(stream)]);
    for_each_cut(stream, |chunks| assert_eq!(text(chunks), whole));
    let encoded = Bytes::from(encode_text(stream));
    assert_eq!(text(vec![encoded]), Ok(stream.to_vec()));
}

/// Returns what is encoded. Bytes before a fault depend on the cuts.
fn text(chunks: Vec<Bytes>) -> Result<Vec<u8>, TextError> {
    let (mut decoder, mut bytes) = (TextDecoder::new(), Vec::new());
    for chunk in chunks {
        bytes.extend_from_slice(&decoder.decode(&chunk)?);
    }
    decoder.finish()?;
    Ok(bytes)
}

fn check_websocket(mut stream: &[u8]) {
    let (mut request, mut is_over) = (WebSocketRequest::new(), false);
    while let Some((length, rest)) = stream.split_first() {
        let (message, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        stream = rest;
        match request.decode(Bytes::copy_from_slice(message)) {
            Ok(WebSocketMessage::Headers(_)) => {}
            Ok(WebSocketMessage::Data(data)) => assert_eq!(encode_data(&data), message),
            Ok(WebSocketMessage::Finish) => is_over = true,
            Err(_) => return,
        }
        assert!(!is_over || message == [1]);
    }
}

fn check_packets(stream: &[u8]) {
    let mut encoded = BytesMut::new();
    for packet in Packets::new(Bytes::copy_from_slice(stream), LIMIT) {
        let Ok(packet) = packet else { break };
        packet.encode(&mut encoded).expect("the content is short");
    }
    assert_eq!(encoded, stream[..encoded.len()]);
}
