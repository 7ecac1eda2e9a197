use prost::Message as _;
use serde_json::json;
use sockeye::{Message, WebSocket};
use sockeye_hub::protocol::{Endpoint, Protocol};

use crate::centrifuge::client::{Json, closed, open};
use crate::centrifuge::server::endpoint;

/// Commands and replies, as far as the tests need them.
mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Command {
        #[prost(uint32, tag = "1")]
        pub(super) id: u32,
        #[prost(message, optional, tag = "4")]
        pub(super) connect: Option<Connect>,
        #[prost(message, optional, tag = "5")]
        pub(super) subscribe: Option<Subscribe>,
        #[prost(message, optional, tag = "7")]
        pub(super) publish: Option<Publish>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Connect {}

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Subscribe {
        #[prost(string, tag = "1")]
        pub(super) channel: String,
        #[prost(bool, tag = "3")]
        pub(super) recover: bool,
        #[prost(string, tag = "6")]
        pub(super) epoch: String,
        #[prost(uint64, tag = "7")]
        pub(super) offset: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Publish {
        #[prost(string, tag = "1")]
        pub(super) channel: String,
        #[prost(bytes, tag = "2")]
        pub(super) data: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Reply {
        #[prost(uint32, tag = "1")]
        pub(super) id: u32,
        #[prost(message, optional, tag = "2")]
        pub(super) error: Option<Error>,
        #[prost(message, optional, tag = "4")]
        pub(super) push: Option<Push>,
        #[prost(message, optional, tag = "6")]
        pub(super) subscribe: Option<Subscribed>,
        #[prost(message, optional, tag = "8")]
        pub(super) publish: Option<Connect>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Error {
        #[prost(uint32, tag = "1")]
        pub(super) code: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Subscribed {
        #[prost(string, tag = "6")]
        pub(super) epoch: String,
        #[prost(message, repeated, tag = "7")]
        pub(super) publications: Vec<Publication>,
        #[prost(bool, tag = "8")]
        pub(super) recovered: bool,
        #[prost(uint64, tag = "9")]
        pub(super) offset: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Push {
        #[prost(string, tag = "2")]
        pub(super) channel: String,
        #[prost(message, optional, tag = "4")]
        pub(super) publication: Option<Publication>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Publication {
        #[prost(bytes, tag = "4")]
        pub(super) data: Vec<u8>,
        #[prost(uint64, tag = "6")]
        pub(super) offset: u64,
        #[prost(string, tag = "14")]
        pub(super) epoch: String,
    }
}

use wire::{Command, Connect, Publish, Reply, Subscribe};

struct Protobuf {
    ws: WebSocket,
    /// The replies of a message that were not returned yet.
    received: bytes::Bytes,
}

impl Protobuf {
    async fn connect(endpoint: &Endpoint) -> Self {
        let ws = open(endpoint, Protocol::CentrifugeProtobuf).await;
        let mut client = Self { ws, received: bytes::Bytes::new() };
        let connect = Command { id: 1, connect: Some(Connect {}), ..Command::default() };
        assert_eq!(client.ask(&[connect]).await.id, 1);
        client
    }

    async fn ask(&mut self, commands: &[Command]) -> Reply {
        let mut bytes = Vec::new();
        for command in commands {
            command.encode_length_delimited(&mut bytes).unwrap();
        }
        self.ws.send(Message::Binary(bytes.into())).await.unwrap();
        self.next().await
    }

    async fn next(&mut self) -> Reply {
        if self.received.is_empty() {
            self.received = self.ws.recv().await.unwrap().unwrap().into_bytes();
        }
        Reply::decode_length_delimited(&mut self.received).unwrap()
    }
}

fn subscribe(channel: &str) -> Command {
    let subscribe = Subscribe { channel: channel.into(), ..Subscribe::default() };
    Command { id: 2, subscribe: Some(subscribe), ..Command::default() }
}

fn publish(channel: &str, data: &[u8]) -> Command {
    let publish = Publish { channel: channel.into(), data: data.into() };
    Command { id: 3, publish: Some(publish), ..Command::default() }
}

#[tokio::test]
async fn and_receive_the_same_data() {
    let endpoint = endpoint();
    let (mut json, mut protobuf) =
        (Json::connect(&endpoint).await, Protobuf::connect(&endpoint).await);
    json.subscribe("live").await;
    assert!(protobuf.ask(&[subscribe("live")]).await.subscribe.is_some());
    json.ask("publish", json!({ "channel": "live", "data": { "a": 1 } })).await;
    json.push().await;
    let push = protobuf.next().await.push.unwrap();
    assert_eq!(push.publication.unwrap().data, br#"{"a":1}"#);

    let commands = [publish("live", br#"{"b":2}"#), publish("live", b"text")];
    protobuf.ask(&commands).await;
    assert_eq!(json.push().await["pub"]["data"], json!({ "b": 2 }));
    assert_eq!(json.push().await["pub"]["data"], json!("text"));
}

#[tokio::test]
async fn and_recover() {
    let endpoint = endpoint();
    let mut protobuf = Protobuf::connect(&endpoint).await;
    let start = protobuf.ask(&[subscribe("log")]).await.subscribe.unwrap();
    drop(protobuf);
    let mut json = Json::connect(&endpoint).await;
    for number in 1..=3 {
        json.ask("publish", json!({ "channel": "log", "data": number })).await;
    }
    let mut protobuf = Protobuf::connect(&endpoint).await;
    let subscribe = Subscribe {
        channel: "log".into(),
        recover: true,
        epoch: start.epoch,
        offset: start.offset,
    };
    let command = Command { id: 2, subscribe: Some(subscribe), ..Command::default() };
    let reply = protobuf.ask(&[command]).await.subscribe.unwrap();
    let data: Vec<_> = reply.publications.iter().map(|publication| &publication.data[..]).collect();
    assert_eq!((data, reply.recovered), (vec![&b"1"[..], b"2", b"3"], true));
    assert_eq!(reply.publications[2].epoch, reply.epoch);
    assert_eq!(protobuf.ask(&[publish("", b"x")]).await.error.unwrap().code, 107);
}

#[tokio::test]
async fn but_bytes_reach_only_those_that_can_carry_them() {
    let endpoint = endpoint();
    let (mut json, mut protobuf) =
        (Json::connect(&endpoint).await, Protobuf::connect(&endpoint).await);
    json.subscribe("log").await;
    protobuf.ask(&[subscribe("log")]).await;
    let mut reply = protobuf.ask(&[publish("log", b"\xff\0")]).await;
    if reply.push.is_none() {
        reply = protobuf.next().await;
    }
    assert_eq!(reply.push.unwrap().publication.unwrap().data, b"\xff\0");
    let disconnect = json!({ "code": 3506, "reason": "inappropriate protocol" });
    assert_eq!(json.push().await, json!({ "disconnect": disconnect }));

    let mut json = Json::connect(&endpoint).await;
    json.send(&json!({ "id": 9, "history": { "channel": "log", "limit": 1 } })).await;
    assert_eq!(u16::from(json.closed().await.code), 3506);
}

#[tokio::test]
async fn and_malformed_ones_are_disconnected() {
    let endpoint = endpoint();
    // A length beyond the end, a length that never ends, a field of the wrong type.
    let cases: [&[u8]; 4] = [b"\x05\x08\x01", b"\xff\xff\xff\xff\xff", b"\x02\x0d\x01", b""];
    for bytes in cases {
        let mut protobuf = Protobuf::connect(&endpoint).await;
        protobuf.ws.send(Message::Binary(bytes.into())).await.unwrap();
        assert_eq!(u16::from(closed(protobuf.ws).await.code), 3501, "{bytes:?}");
    }
    let mut protobuf = Protobuf::connect(&endpoint).await;
    protobuf.ws.send("{}").await.unwrap();
    assert_eq!(u16::from(closed(protobuf.ws).await.code), 3501);
}
