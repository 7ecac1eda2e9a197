use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use sockeye::Message;

use super::*;
use crate::dispatch::Codec;
use crate::status::Code;

fn client(text: &str) -> Result<ClientFrame, FrameError> {
    ClientFrame::decode(&text.into())
}

fn metadata() -> HeaderMap {
    let mut metadata = HeaderMap::new();
    metadata.append("x-tag", "a".parse().unwrap());
    metadata.append("x-tag", "b".parse().unwrap());
    metadata.append("authorization", "Bearer t".parse().unwrap());
    metadata
}

fn start() -> CallStart {
    CallStart {
        metadata: metadata(),
        timeout: Some(Duration::from_millis(1500)),
        credit: 0,
        message: Some(r#"{"a":[null]}"#.into()),
        half_close: true,
        ..CallStart::new("/pkg.S/M".parse().unwrap())
    }
}

#[test]
fn client_frames_survive_encoding() {
    let proto = CallStart { codec: Codec::Proto, ..CallStart::new("/S/M".parse().unwrap()) };
    for frame in [
        ClientFrame::Auth(metadata()),
        ClientFrame::Start(1, Box::new(start())),
        ClientFrame::Start(u32::MAX, Box::new(proto)),
        ClientFrame::Message(2, CallMessage::Json("null".into()), false),
        ClientFrame::Message(2, CallMessage::Json(r#""é""#.into()), true),
        ClientFrame::Message(2, CallMessage::Proto(Bytes::from_static(b"\x08\x01")), true),
        ClientFrame::Message(2, CallMessage::Proto(Bytes::new()), false),
        ClientFrame::HalfClose(3),
        ClientFrame::Cancel(4),
        ClientFrame::Credit(5, (1 << 53) - 1),
    ] {
        assert_eq!(ClientFrame::decode(&frame.encode()), Ok(frame));
    }
}

#[test]
fn server_frames_survive_encoding() {
    let end = CallEnd {
        details: r#"[{"@type":"t/x.Y","a":1}]"#.to_owned(),
        trailers: metadata(),
        ..CallEnd::new(Code::NotFound, "no \"book\"")
    };
    for frame in [
        ServerFrame::Headers(1, metadata()),
        ServerFrame::Message(1, CallMessage::Json("[]".into())),
        ServerFrame::Message(1, CallMessage::Proto(Bytes::from_static(b"\xff"))),
        ServerFrame::Credit(1, 1),
        ServerFrame::End(1, Box::new(end)),
        ServerFrame::End(1, Box::new(CallEnd::new(Code::Ok, ""))),
    ] {
        assert_eq!(ServerFrame::decode(&frame.encode()), Ok(frame));
    }
}

#[test]
fn the_text_is_that_of_the_page_of_the_protocol() {
    let end = ServerFrame::End(1, Box::new(CallEnd::new(Code::Ok, "")));
    let text = r#"{"id":1,"end":{"code":0,"status":"ok","message":"","details":[],"trailers":{}}}"#;
    assert_eq!(end.encode(), Message::from(text));
    let text = r#"{"id":1,"start":{"method":"shop.Books/Get"}}"#;
    let start = CallStart::new("/shop.Books/Get".parse().unwrap());
    let frame = ClientFrame::Start(1, Box::new(start));
    assert_eq!(client(text), Ok(frame.clone()));
    assert_eq!(frame.encode(), Message::from(text));
    let message = ClientFrame::Message(1, CallMessage::Json(r#"{"name":"b1"}"#.into()), true);
    assert_eq!(client(r#"{"id":1,"message":{"name":"b1"},"half_close":true}"#), Ok(message));
}

#[test]
fn fields_that_are_not_known_are_ignored() {
    let frame = client(r#"{"id":1,"cancel":true,"reason":{"a":1}}"#);
    assert_eq!(frame, Ok(ClientFrame::Cancel(1)));
    let frame = client(r#"{"id":1,"start":{"method":"/S/M","later":[]}}"#);
    let start = CallStart::new("/S/M".parse().unwrap());
    assert_eq!(frame, Ok(ClientFrame::Start(1, Box::new(start))));
}

#[test]
fn messages_that_are_not_of_the_protocol_are_refused() {
    for (text, error) in [
        ("", FrameError::NotAnObject),
        ("[]", FrameError::NotAnObject),
        (r#"[1,null,{"method":"S/M"}]"#, FrameError::NotAnObject),
        ("{}{}", FrameError::NotAnObject),
        (r#"{"id":1,"cancel":true,"cancel":true}"#, FrameError::NotAnObject),
        ("{}", FrameError::NoName),
        (r#"{"id":1,"pause":true}"#, FrameError::NoName),
        (r#"{"id":1,"cancel":true,"credit":1}"#, FrameError::SeveralNames),
        (r#"{"id":1,"cancel":true,"half_close":true}"#, FrameError::SeveralNames),
        (r#"{"cancel":true}"#, FrameError::InvalidId),
        (r#"{"id":0,"cancel":true}"#, FrameError::InvalidId),
        (r#"{"id":-1,"cancel":true}"#, FrameError::InvalidId),
        (r#"{"id":1.5,"cancel":true}"#, FrameError::InvalidId),
        (r#"{"id":"1","cancel":true}"#, FrameError::InvalidId),
        (r#"{"id":4294967296,"cancel":true}"#, FrameError::InvalidId),
        (r#"{"auth":{}}"#, FrameError::Auth),
        (r#"{"auth":{"metadata":{"a b":"c"}}}"#, FrameError::Auth),
    ] {
        assert_eq!(client(text), Err(error), "{text}");
    }
    for (payload, error) in [
        (&b""[..], FrameError::TooShort),
        (&b"\0\0\0\0"[..], FrameError::TooShort),
        (&b"\0\0\0\0\0"[..], FrameError::InvalidId),
        (&b"\x02\0\0\0\x01"[..], FrameError::UnknownFlags { flags: 2 }),
    ] {
        assert_eq!(ClientFrame::decode(&payload.into()), Err(error));
    }
    // The flag is of the client only.
    let error = ServerFrame::decode(&b"\x01\0\0\0\x01"[..].into());
    assert_eq!(error, Err(FrameError::UnknownFlags { flags: 1 }));
}

#[test]
fn faults_of_one_call_name_it() {
    for (text, fault) in [
        (r#"{"id":7,"start":5}"#, CallFault::Malformed),
        (r#"{"id":7,"start":["S/M"]}"#, CallFault::Malformed),
        (r#"{"id":7,"start":{}}"#, CallFault::Malformed),
        (r#"{"id":7,"start":{"method":"S/M","codec":"xml"}}"#, CallFault::Malformed),
        (r#"{"id":7,"start":{"method":"S/M","timeout_ms":-1}}"#, CallFault::Malformed),
        (r#"{"id":7,"start":{"method":"S/M","timeout_ms":0}}"#, CallFault::Timeout),
        (r#"{"id":7,"start":{"method":"S/M","credit":9007199254740992}}"#, CallFault::Credit),
        (r#"{"id":7,"start":{"method":"S/M","metadata":[]}}"#, CallFault::Metadata),
        (r#"{"id":7,"start":{"method":"S/M","metadata":{"a":1}}}"#, CallFault::Metadata),
        (r#"{"id":7,"start":{"method":"S/M","metadata":{"a":"é"}}}"#, CallFault::Metadata),
        (r#"{"id":7,"start":{"method":"S"}}"#, CallFault::Method),
        (r#"{"id":7,"start":{"method":"S/M?q"}}"#, CallFault::Method),
        (r#"{"id":7,"start":{"method":"S/M/N"}}"#, CallFault::Method),
        (
            r#"{"id":7,"start":{"method":"S/M","codec":"proto","message":{}}}"#,
            CallFault::MessageOfProto,
        ),
        (r#"{"id":7,"cancel":false}"#, CallFault::NotTrue),
        (r#"{"id":7,"message":{},"half_close":1}"#, CallFault::NotTrue),
        (r#"{"id":7,"credit":0}"#, CallFault::Credit),
        (r#"{"id":7,"credit":-1}"#, CallFault::Credit),
        (r#"{"id":7,"credit":9007199254740992}"#, CallFault::Credit),
    ] {
        assert_eq!(client(text), Err(FrameError::Call { id: 7, fault }), "{text}");
    }
}

#[test]
fn metadata_have_a_limit() {
    let values = vec!["v"; 1025];
    let text = serde_json::json!({"id": 1, "start": {"method": "S/M", "metadata": {"a": values}}});
    let fault = CallFault::Metadata;
    assert_eq!(client(&text.to_string()), Err(FrameError::Call { id: 1, fault }));
}

proptest! {
    #[test]
    fn no_message_panics(text in r#"[{}\[\]":,a-z_0-9-]{0,40}"#, binary in any::<Vec<u8>>()) {
        let _ = client(&text);
        let _ = ServerFrame::decode(&text.as_str().into());
        let _ = ClientFrame::decode(&binary.clone().into());
        let _ = ServerFrame::decode(&binary.into());
    }

    #[test]
    fn requests_pass_unread(id in 1_u32.., wire in any::<Vec<u8>>(), is_last in any::<bool>()) {
        let frame = ClientFrame::Message(id, CallMessage::Proto(wire.into()), is_last);
        prop_assert_eq!(ClientFrame::decode(&frame.encode()), Ok(frame));
    }
}
