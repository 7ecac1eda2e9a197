use bytes::Bytes;
use prost::Message as _;
use sockeye::Message;

use super::Encoding;
use super::commands::classify;
use super::message::{
    Command, ConnectRequest, Data, FilterNode, Publication, Push, Reply, RpcRequest,
    SubscribeRequest,
};
use crate::protocol::ClientLimits;
use crate::protocol::serve::Incoming;

fn json(replies: &[Reply]) -> String {
    Encoding::Json.encode(replies).unwrap().to_string()
}

fn message(data: &'static [u8]) -> Reply {
    let data = Data { data: Bytes::from_static(data) };
    Reply::of_push(Push { message: Some(data), ..Push::default() })
}

#[test]
fn a_ping_is_an_empty_reply() {
    assert_eq!(json(&[Reply::default()]), "{}");
    let protobuf = Encoding::Protobuf.encode(&[Reply::default()]).unwrap();
    assert_eq!(protobuf, Message::Binary(Bytes::from_static(&[0])));
}

#[test]
fn several_replies_are_lines_or_follow_their_lengths() {
    let replies = [message(b"1"), message(b"2")];
    let expected =
        concat!(r#"{"push":{"message":{"data":1}}}"#, "\n", r#"{"push":{"message":{"data":2}}}"#);
    assert_eq!(json(&replies), expected);
    let protobuf = Encoding::Protobuf.encode(&replies).unwrap();
    let mut bytes = protobuf.into_bytes();
    for reply in replies {
        assert_eq!(Reply::decode_length_delimited(&mut bytes), Ok(reply));
    }
    assert!(bytes.is_empty());
}

#[test]
fn data_is_json_in_one_line_or_a_string() {
    let cases: [(&[u8], &str); 7] = [
        (b"{\"a\": [1, 2]}", r#"{"a": [1, 2]}"#),
        (b" {\n\t\"a\":\r\n1}\n", "{ \t\"a\":  1}"),
        (b"12", "12"),
        (b"null", "null"),
        (b"", r#""""#),
        (b"hello\nworld", r#""hello\nworld""#),
        (b"{} {}", r#""{} {}""#),
    ];
    for (data, expected) in cases {
        let expected = format!(r#"{{"push":{{"message":{{"data":{expected}}}}}}}"#);
        assert_eq!(json(&[message(data)]), expected);
    }
    let frame = Encoding::Json.encode(&[message(b"\xff")]).unwrap_err();
    assert_eq!(u16::from(frame.code), 3506);
}

#[test]
fn offsets_beyond_those_of_doubles_keep_their_value() {
    let publication = Publication { offset: u64::MAX, ..Publication::default() };
    let push = Push { publication: Some(publication), ..Push::default() };
    let expected = r#"{"push":{"pub":{"data":"","offset":18446744073709551615}}}"#;
    assert_eq!(json(&[Reply::of_push(push)]), expected);
}

#[test]
fn commands_are_the_same_in_both_encodings() {
    let text = concat!(
        r#"{"id":7,"subscribe":{"channel":"ö","recover":true,"epoch":"5eed.1.2","offset":1,"#,
        r#""tf":{"op":"or","nodes":[{"key":"a","cmp":"in","vals":["b","c"]}]},"flag":3,"new":[]}}"#,
        "\n\n",
        r#"{"id":8,"publish":{"channel":"c","data":{"x": null}}}"#,
        "\n{}",
    );
    let limits = ClientLimits::default();
    let commands = Encoding::Json.decode(text.into(), &limits).unwrap();
    assert_eq!(commands.len(), 3);
    assert_eq!(commands[1].publish.as_ref().unwrap().data, r#"{"x": null}"#);
    assert_eq!(commands[2], Command::default());
    let mut bytes = Vec::new();
    for command in &commands {
        command.encode_length_delimited(&mut bytes).unwrap();
    }
    let protobuf = Encoding::Protobuf.decode(Message::Binary(bytes.into()), &limits);
    assert_eq!(protobuf.unwrap(), commands);
}

#[test]
fn every_part_of_a_message_is_decoded_or_refused_without_a_panic() {
    let limits = ClientLimits::default();
    let text = r#"{"id":7,"subscribe":{"channel":"ö","tf":{"nodes":[{}]}}}"#;
    let command = Encoding::Json.decode(text.into(), &limits).unwrap().remove(0);
    let bytes = command.encode_length_delimited_to_vec();
    for length in 0..bytes.len() {
        let part = Bytes::copy_from_slice(&bytes[..length]);
        assert!(Encoding::Protobuf.decode(Message::Binary(part), &limits).is_err());
    }
    for (length, _) in text.char_indices() {
        assert!(Encoding::Json.decode(text[..length].into(), &limits).is_err());
    }
    let deep = format!(
        r#"{{"id":1,"subscribe":{{"tf":{}{}}}}}"#,
        r#"{"nodes":["#.repeat(10_000),
        "]}".repeat(10_000)
    );
    assert!(
        Encoding::Json
            .decode(deep.into(), &ClientLimits { command_bytes: 1 << 20, ..limits })
            .is_err()
    );
}

#[test]
fn a_message_and_the_lists_of_its_commands_are_bounded() {
    let limits = ClientLimits { command_bytes: 16 << 10, ..ClientLimits::default() };
    let close_code = |encoding: Encoding, message: Message| {
        encoding
            .decode(message, &limits)
            .map(|commands| commands.len())
            .map_err(|frame| u16::from(frame.code))
    };
    let ping = r#"{"id":1,"ping":{}}"#.to_owned() + &" ".repeat(limits.command_bytes - 20);
    let lines = |count| Message::from(vec![ping.as_str(); count].join("\n"));
    assert_eq!(close_code(Encoding::Json, lines(4)), Ok(4));
    assert_eq!(close_code(Encoding::Json, lines(5)), Err(1009));

    let filtered = |count| {
        let nodes = vec![FilterNode::default(); count];
        let tf = Some(FilterNode { op: "and".into(), nodes, ..FilterNode::default() });
        SubscribeRequest { tf, ..SubscribeRequest::default() }
    };
    let protobuf =
        |command: &Command| Message::Binary(command.encode_length_delimited_to_vec().into());
    let subscribe = |count| Command { subscribe: Some(filtered(count)), ..Command::default() };
    assert_eq!(close_code(Encoding::Protobuf, protobuf(&subscribe(127))), Ok(1));
    assert_eq!(close_code(Encoding::Protobuf, protobuf(&subscribe(128))), Err(3501));

    let connect = |count: usize, filter| {
        let subs = (0..count).map(|room| (room.to_string(), filtered(filter))).collect();
        let connect = Some(ConnectRequest { subs, ..ConnectRequest::default() });
        protobuf(&Command { connect, ..Command::default() })
    };
    assert_eq!(close_code(Encoding::Protobuf, connect(1_024, 0)), Ok(1));
    assert_eq!(close_code(Encoding::Protobuf, connect(1_025, 0)), Err(3501));
    assert_eq!(close_code(Encoding::Protobuf, connect(1, 128)), Err(3501));
}

#[test]
fn a_concurrent_command_has_one_request() {
    let rpc = Some(RpcRequest { method: "add".into(), ..RpcRequest::default() });
    let subscribe = Some(SubscribeRequest::default());
    let command = Command { id: 7, rpc: rpc.clone(), subscribe, ..Command::default() };
    let Incoming::Concurrent(command) = classify(command) else { panic!("expected an RPC") };
    assert_eq!(command, Command { id: 7, rpc, ..Command::default() });
}
