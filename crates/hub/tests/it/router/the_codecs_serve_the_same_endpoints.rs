use sockeye::Message;
use sockeye_hub::router::codec::{Packets, TextCommands};
use sockeye_hub::router::{Binary, Context, Failure, Json, Router, Text};

use crate::router::connection::connect;

async fn add(Json((a, b)): Json<(u8, u8)>) -> Result<Json<u8>, Failure> {
    a.checked_add(b).map(Json).ok_or_else(|| Failure::bad_request("too large"))
}

fn router() -> Router<()> {
    let reverse = async |Binary(bytes): Binary| bytes.iter().rev().copied().collect::<Vec<u8>>();
    let upper = async |Text(text): Text| text.to_uppercase();
    let push = async |context: Context| context.push(9, "x").await.map_err(Failure::from);
    let empty = async |Json(()): Json<()>| ();
    Router::new(())
        .on("add", add)
        .on(1, add)
        .on("reverse", reverse)
        .on(2, reverse)
        .on("upper", upper)
        .on(3, upper)
        .on("push", push)
        .on(4, push)
        .on("empty", empty)
        .on(5, empty)
}

#[tokio::test]
async fn as_json() {
    let mut connected = connect(&router()).await;
    for (command, data, reply) in [
        (r#""add""#, "[1,2]", r#""data":3"#),
        ("1", "[1,2]", r#""data":3"#),
        ("1", "[1,255]", r#""error":{"code":400,"message":"too large"}"#),
        ("2", r#""AQID""#, r#""data":"AwIB""#),
        ("2", r#""\u0041QID""#, r#""data":"AwIB""#),
        ("2", "null", r#""data":"""#),
        (
            "2",
            r#""AQI""#,
            r#""error":{"code":400,"message":"the content is not Base64: Invalid padding"}"#,
        ),
        ("3", r#""a\"\u00e4""#, r#""data":"A\"Ä""#),
        ("3", "null", r#""data":"""#),
        ("5", "null", r#""data":null"#),
    ] {
        let command = format!(r#"{{"id":1,"cmd":{command},"data":{data}}}"#);
        connected.expect(command, format!(r#"{{"id":1,{reply}}}"#)).await;
    }
    connected.expect(r#"{"id":1,"cmd":4}"#, r#"{"event":9,"data":"x"}"#).await;
}

#[tokio::test]
async fn as_text_with_the_replies_in_order() {
    let mut connected = connect(&router().codec(TextCommands::new())).await;
    for (command, reply) in [
        ("add [1,2]", "OK 3"),
        ("add [1,255]", "ERROR 400 too large"),
        ("reverse AQID", "OK AwIB"),
        ("upper a ä", "OK A Ä"),
        ("upper", "OK "),
        ("empty", "OK"),
        ("ADD [1,2]", "ERROR 501 unknown command: ADD"),
        ("", "ERROR 400 the message is empty"),
    ] {
        connected.expect(command, reply).await;
    }
    connected.expect("push", "9 x").await;
    assert_eq!(connected.recv().await, "OK");
    connected.expect(b"add", "ERROR 400 a command is a text message").await;
    let commands: Vec<_> = (0..100).map(|number| format!("add [{number},1]")).collect();
    for command in commands {
        connected.client.feed(command).await.unwrap();
    }
    connected.client.flush().await.unwrap();
    for number in 1..=100 {
        assert_eq!(connected.recv().await, *format!("OK {number}"));
    }
}

fn packet(number: u32, who: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    [number, length, who]
        .map(u32::to_be_bytes)
        .concat()
        .into_iter()
        .chain(content.iter().copied())
        .collect()
}

#[tokio::test]
async fn as_packets() {
    let mut connected = connect(&router().codec(Packets::new())).await;
    for (command, reply) in [
        (packet(1, 7, b"[1,2]"), packet(1, 7, b"3")),
        (packet(1, 7, b"[1,255]"), packet(0, 7, b"\0\0\x01\x90too large")),
        (packet(2, u32::MAX, &[1, 2, 3]), packet(2, u32::MAX, &[3, 2, 1])),
        (packet(2, 0, &[]), packet(2, 0, &[])),
        (packet(3, 7, "ä".as_bytes()), packet(3, 7, "Ä".as_bytes())),
        (packet(3, 7, b"\xff"), packet(0, 7, b"\0\0\x01\x90the content is not UTF-8")),
        (packet(5, 7, b""), packet(5, 7, b"")),
        (packet(6, 7, b""), packet(0, 7, b"\0\0\x01\xf5unknown command: 6")),
    ] {
        connected.expect(command, reply).await;
    }
    connected.expect(packet(4, 7, b""), packet(9, 0, b"x")).await;
    assert_eq!(connected.recv().await, Message::from(packet(4, 7, b"")));
    connected.expect("text", packet(0, 0, b"\0\0\x01\x90a packet is a binary message")).await;
}

#[tokio::test]
async fn several_packets_of_a_message_one_after_the_other() {
    let router = router().codec(Packets::new()).max_commands(4);
    let mut connected = connect(&router).await;
    let many: Vec<u8> = (0..1000).flat_map(|who| packet(3, who, b"x")).collect();
    connected.send([many, vec![1, 2, 3]].concat()).await;
    for who in 0..1000 {
        assert_eq!(connected.recv().await, Message::from(packet(3, who, b"X")));
    }
    let cut = b"\0\0\x01\x90the message ends within the header of a packet";
    assert_eq!(connected.recv().await, Message::from(packet(0, 0, cut)));
}
