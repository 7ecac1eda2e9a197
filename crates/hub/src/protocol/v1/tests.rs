use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use sockeye::Message;

use super::field::{AsText, Json, Payload};
use super::filter::FilterField;
use super::message::*;
use super::{Encoding, Envelope};
use crate::core::filter::{Condition, Filter};
use crate::core::{Epoch, NodeId, Position, SessionId, Tag};

const BOTH: [Encoding; 2] = [Encoding::Json, Encoding::Binary];

fn position() -> AsText<Position> {
    AsText(Position { epoch: Epoch(0x5eed), offset: 300, tag: Tag(0xc0de) })
}

fn session() -> AsText<SessionId> {
    AsText(SessionId { node: NodeId(0x7f3a), number: 1 })
}

fn text(text: &str) -> Payload {
    Payload(Message::Text(text.into()))
}

fn entry() -> Entry {
    Entry {
        payload: text(r#"{"b":1,"a":12345678901234567890.0}"#),
        room: None,
        position: Some(position()),
        id: Some("one".into()),
        publisher: Some(session()),
        tags: [("level".into(), "info".into())].into(),
    }
}

fn member() -> MemberFields {
    MemberFields { session: session(), user: Some("ada".into()), info: json(r#"{"name":"Ada"}"#) }
}

fn json(text: &'static str) -> Json {
    Json(Bytes::from_static(text.as_bytes()))
}

fn filter() -> FilterField {
    let conditions = [
        Condition::Equals("x".into()),
        Condition::NotEquals("x".into()),
        Condition::In(vec!["a".into(), "b".into()]),
        Condition::NotIn(vec!["a".into()]),
        Condition::Exists,
        Condition::NotExists,
        Condition::StartsWith("x".into()),
        Condition::EndsWith("x".into()),
        Condition::Contains("x".into()),
        Condition::Greater("1.50".parse().unwrap()),
        Condition::GreaterOrEqual("-2".parse().unwrap()),
        Condition::Less("0".parse().unwrap()),
        Condition::LessOrEqual("12345678901234567890123".parse().unwrap()),
    ];
    let tags = conditions.into_iter().map(|condition| Filter::tag("t", condition).unwrap());
    let any = Filter::any(tags).unwrap();
    FilterField(Arc::new(Filter::all([Filter::not(any).unwrap()]).unwrap()))
}

/// Every message, with all fields and with none.
fn commands() -> Vec<ClientMessage> {
    let join = Join {
        room: "lobby".into(),
        from: Some(position()),
        filter: Some(filter()),
        info: json("[1]"),
        token: Some("t".into()),
        presence: true,
    };
    let publish = Publish {
        payload: Payload(Message::Binary(Bytes::from_static(b"\xff\0"))),
        room: "lobby".into(),
        id: None,
        tags: [].into(),
        key: Some("k".into()),
    };
    vec![
        ClientMessage::Connect(Connect {
            token: Some("t".into()),
            data: json("null"),
            client: Some("js/1".into()),
            resume: vec![Resume { room: "news".into(), from: position() }],
        }),
        ClientMessage::Connect(Connect {
            token: None,
            data: Json::default(),
            client: None,
            resume: vec![],
        }),
        ClientMessage::Join(vec![join]),
        ClientMessage::Leave(vec!["a".into(), "ö".into()]),
        ClientMessage::Publish(publish.clone()),
        ClientMessage::Publish(Publish {
            payload: text("null"),
            id: Some("1".into()),
            tags: [("a".into(), "b".into())].into(),
            key: None,
            ..publish
        }),
        ClientMessage::Members(ListMembers {
            room: "a".into(),
            after: Some(session()),
            limit: Some(9),
        }),
        ClientMessage::Users(ListUsers {
            room: "a".into(),
            after: Some("ada".into()),
            limit: None,
        }),
        ClientMessage::Counts(OneRoom { room: "a".into() }),
        ClientMessage::Update(Update { room: "a".into(), info: json("false") }),
        ClientMessage::Filter(SetFilter { room: "a".into(), filter: Some(filter()) }),
        ClientMessage::History(ReadHistory {
            room: "a".into(),
            from: None,
            limit: Some(u64::MAX),
            reverse: true,
        }),
        ClientMessage::Rpc(Rpc { method: "m".into(), data: json("{}") }),
        ClientMessage::Send(PayloadOnly { payload: text("[]") }),
        ClientMessage::Refresh(Refresh { token: "t".into(), room: Some("a".into()) }),
        ClientMessage::Pong(Empty {}),
    ]
}

fn server_messages() -> Vec<ServerMessage> {
    vec![
        ServerMessage::Connect(Connected {
            session: session(),
            user: Some("ada".into()),
            data: json("1"),
            expires: Some(1),
            ping: 25_000,
            timeout: 8_000,
        }),
        ServerMessage::Join(Empty {}),
        ServerMessage::Leave(Empty {}),
        ServerMessage::Publish(Published { position: Some(position()) }),
        ServerMessage::Members(Members { members: vec![member()], next: Some(session()) }),
        ServerMessage::Users(Users { users: vec!["ada".into()], next: None }),
        ServerMessage::Counts(Counts { sessions: 3, users: 2 }),
        ServerMessage::Update(Empty {}),
        ServerMessage::Filter(Empty {}),
        ServerMessage::History(History {
            publications: vec![entry()],
            position: position(),
            more: true,
            gap: Some("trimmed".into()),
        }),
        ServerMessage::Rpc(RpcResult { data: json(r#""x""#) }),
        ServerMessage::Send(Empty {}),
        ServerMessage::Refresh(Refreshed { expires: Some(5) }),
        ServerMessage::Error(WireError { code: 103, message: "no".into(), temporary: true }),
        ServerMessage::Publication(Entry { room: Some("a".into()), ..entry() }),
        ServerMessage::Message(PayloadOnly {
            payload: Payload(Message::Binary(Bytes::from_static(b"x"))),
        }),
        ServerMessage::Joined(JoinedRoom {
            room: "a".into(),
            position: Some(position()),
            recovered: true,
            gap: None,
            publications: vec![entry(), entry()],
            expires: Some(7),
        }),
        ServerMessage::Refused(RefusedRoom {
            room: "a".into(),
            code: 103,
            message: "no".into(),
            temporary: false,
        }),
        ServerMessage::Left(LeftRoom { room: "a".into(), code: Some(109), reason: None }),
        ServerMessage::Presence(PresenceChange {
            room: "a".into(),
            joined: vec![member()],
            updated: vec![],
            left: vec![MemberFields { user: None, info: Json::default(), ..member() }],
            users_joined: vec!["ada".into()],
            users_left: vec![],
        }),
        ServerMessage::Missed(MissedPublications {
            room: "a".into(),
            reason: "slow".into(),
            count: Some(3),
            position: None,
        }),
        ServerMessage::Ping(Empty {}),
    ]
}

fn is_decoded_as_it_was<T: Body + Clone + PartialEq + std::fmt::Debug>(messages: Vec<T>) {
    for message in messages {
        for encoding in BOTH {
            for id in [None, Some(1), Some(1 << 53)] {
                let encoded = encoding.encode(id, &message);
                let decoded = encoding.decode::<T>(&encoded);
                assert_eq!(decoded, Ok(Envelope { id, body: message.clone() }), "{encoded:?}");
            }
        }
    }
}

#[test]
fn every_command_is_decoded_as_it_was_in_both_encodings() {
    is_decoded_as_it_was(commands());
}

#[test]
fn every_reply_and_event_is_decoded_as_it_was_in_both_encodings() {
    is_decoded_as_it_was(server_messages());
}

#[test]
fn messages_look_as_they_are_documented() {
    let json = |id, message: &ServerMessage| Encoding::Json.encode(id, message).to_string();
    let published = ServerMessage::Publish(Published { position: Some(position()) });
    let expected = r#"{"id":3,"publish":{"position":"5eed.300.c0de"}}"#;
    assert_eq!(json(Some(3), &published), expected);
    let publication = ServerMessage::Publication(Entry {
        payload: text(r#"{ "text": "hello" }"#),
        room: Some("lobby".into()),
        id: None,
        tags: [].into(),
        ..entry()
    });
    let expected = concat!(
        r#"{"publication":{"data":{ "text": "hello" },"room":"lobby","#,
        r#""position":"5eed.300.c0de","publisher":"7f3a-1"}}"#,
    );
    assert_eq!(json(None, &publication), expected);
    assert_eq!(json(None, &ServerMessage::Ping(Empty {})), r#"{"ping":{}}"#);

    let binary = Encoding::Binary.encode(Some(3), &published);
    let mut expected = vec![4, 3, 1];
    expected.extend(0x5eed_u64.to_be_bytes());
    expected.extend([0xac, 0x02, 0xde, 0x81, 0x03]);
    assert_eq!(binary.as_bytes(), expected);
    let counts = ClientMessage::Counts(OneRoom { room: "ab".into() });
    assert_eq!(Encoding::Binary.encode(Some(1), &counts).as_bytes(), b"\x07\x01\x02ab");
}

#[test]
fn text_that_is_not_json_and_bytes_become_strings_in_json() {
    let json = |message: Message| {
        let payload = Payload(message);
        Encoding::Json.encode(None, &ServerMessage::Message(PayloadOnly { payload })).to_string()
    };
    assert_eq!(json("hello".into()), r#"{"message":{"data":"hello"}}"#);
    assert_eq!(json(r#""hello""#.into()), r#"{"message":{"data":"hello"}}"#);
    assert_eq!(json("".into()), r#"{"message":{"data":""}}"#);
    let bytes = Message::Binary(Bytes::from_static(b"\xff\0\x01"));
    assert_eq!(json(bytes), r#"{"message":{"data":"/wAB","binary":true}}"#);
    let info = |info: &'static [u8]| {
        let member = MemberFields { user: None, info: Json(info.into()), ..member() };
        let members = Members { members: vec![member], next: None };
        Encoding::Json.encode(None, &ServerMessage::Members(members)).to_string()
    };
    assert!(info(b"Ada").contains(r#""info":"Ada""#));
    assert!(info(b"\xff").contains(r#""info":"/w==""#));
    assert!(!info(b"").contains("info"));
}

#[test]
fn unknown_fields_are_ignored() {
    let text = r#"{"x":1,"counts":{"room":"a","y":[2]},"id":7}"#;
    let decoded = Encoding::Json.decode::<ClientMessage>(&text.into()).unwrap();
    let counts = ClientMessage::Counts(OneRoom { room: "a".into() });
    assert_eq!(decoded, Envelope { id: Some(7), body: counts });
}

#[test]
fn faults_are_named_and_the_id_is_found() {
    let cases = [
        (r#"{"id":1,"dance":{}}"#, Some(1), 104, "dance"),
        (r#"{"id":1}"#, Some(1), 107, "no content"),
        (r#"{"counts":{},"id":2}"#, Some(2), 107, "room"),
        (r#"{"id":3,"counts":{"room":"a"},"leave":[]}"#, Some(3), 107, "two messages"),
        (r#"{"id":4,"publish":{"room":"a"}}"#, Some(4), 107, "`data`"),
        (r#"{"id":4,"publish":{"room":"a","data":"?","binary":true}}"#, Some(4), 107, "base64"),
        (r#"{"id":5,"history":{"room":"a","from":"1.2"}}"#, Some(5), 107, "1.2"),
        (r#"{"id":6,"members":{"room":"a","after":"+1-2"}}"#, Some(6), 107, "+1-2"),
        (r#"{"id":7,"filter":{"room":"a","filter":{"tag":"a"}}}"#, Some(7), 107, "filter"),
        (r#"{"id":7,"filter":{"room":"a","filter":{"eq":"a"}}}"#, Some(7), 107, "tag"),
        (r#"{"id":7,"filter":{"room":"a","filter":{"tag":"a","gt":"x"}}}"#, Some(7), 107, "-12.5"),
        (r#"{"id":7,"filter":{"room":"a","filter":{"tag":"a","like":"x"}}}"#, Some(7), 107, "like"),
        (r#"{"id":-1,"counts":{"room":"a"}}"#, None, 107, "-1"),
        ("[]", None, 107, "an object"),
        ("", None, 107, "EOF"),
    ];
    for (text, id, code, fault) in cases {
        let error = Encoding::Json.decode::<ClientMessage>(&text.into()).unwrap_err();
        assert_eq!((error.id, error.refusal.code), (id, code), "{text}: {error}");
        assert!(error.refusal.message.contains(fault), "{text}: {error}");
    }
    let deep = [&*r#"{"not":"#.repeat(100), "{}", &*"}".repeat(100)].concat();
    let text = format!(r#"{{"id":1,"filter":{{"room":"a","filter":{deep}}}}}"#);
    let error = Encoding::Json.decode::<ClientMessage>(&text.into()).unwrap_err();
    assert!(error.refusal.message.contains("deep"), "{error}");
}

#[test]
fn a_message_of_the_other_encoding_is_refused() {
    for encoding in BOTH {
        let other = if encoding == Encoding::Json { Encoding::Binary } else { Encoding::Json };
        let message = other.encode(Some(1), &ClientMessage::Pong(Empty {}));
        assert!(encoding.decode::<ClientMessage>(&message).is_err());
    }
}

#[test]
fn a_binary_message_that_ends_early_or_late_is_refused() {
    let message = Encoding::Binary.encode(Some(1), &commands()[2]);
    let bytes = message.as_bytes();
    for length in 0..bytes.len() {
        let part = Message::Binary(Bytes::copy_from_slice(&bytes[..length]));
        assert!(Encoding::Binary.decode::<ClientMessage>(&part).is_err(), "{length}");
    }
    let longer = Message::Binary([bytes, b"\0"].concat().into());
    let error = Encoding::Binary.decode::<ClientMessage>(&longer).unwrap_err();
    assert_eq!(error.id, Some(1));
    assert!(error.refusal.message.contains("1 bytes follow"), "{error}");
}

#[test]
fn numbers_have_64_bits_at_most() {
    let decode = |number: &[u8]| {
        let bytes = [b"\x07".as_slice(), number, b"\x01a"].concat();
        Encoding::Binary.decode::<ClientMessage>(&Message::Binary(bytes.into()))
    };
    let mut largest = [0xff; 10];
    largest[9] = 1;
    assert_eq!(decode(&largest).unwrap().id, Some(u64::MAX));
    largest[9] = 2;
    assert!(decode(&largest).is_err());
    assert!(decode(&[0x80; 11]).is_err());
}

#[test]
fn a_list_does_not_reserve_memory_for_items_that_are_not_there() {
    let message = Message::Binary(Bytes::from_static(b"\x03\x01\xff\xff\xff\xff\xff\xff\x7f"));
    assert!(Encoding::Binary.decode::<ClientMessage>(&message).is_err());
}

proptest! {
    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64), kind in 0_u8..48) {
        let binary = Message::Binary([&[kind, 1], &bytes[..]].concat().into());
        let text = Message::Text(String::from_utf8_lossy(&bytes).into_owned().into());
        for encoding in BOTH {
            for message in [&binary, &text] {
                let _ = encoding.decode::<ClientMessage>(message);
                let _ = encoding.decode::<ServerMessage>(message);
            }
        }
    }
}
