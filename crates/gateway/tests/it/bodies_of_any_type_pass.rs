use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use prost::Message as _;
use sockeye::Message;
use tokio::sync::Notify;

use crate::sockets::{client, connect, receive, receive_close};
use crate::support::raw_upstream::{RawUpstream, begin, end, framed, read_messages};
use crate::support::{Fetched, Pieces, ServedGateway, next_data, next_frame};

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct HttpBody {
    #[prost(string, tag = "1")]
    content_type: String,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct File {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    content: Option<HttpBody>,
}

fn body(content_type: &str, data: &[u8]) -> HttpBody {
    HttpBody { content_type: content_type.to_owned(), data: data.to_vec() }
}

/// Starts a server that returns the first message of each call, and notes all messages.
async fn echo() -> (RawUpstream, ServedGateway, Arc<Mutex<Vec<Bytes>>>) {
    let received = Arc::<Mutex<Vec<Bytes>>>::default();
    let server = RawUpstream::start({
        let received = Arc::clone(&received);
        move |request, mut response| {
            let received = Arc::clone(&received);
            async move {
                let messages = read_messages(&mut request.into_body()).await;
                let first = messages[0].clone();
                received.lock().unwrap().extend(messages);
                let mut stream = begin(&mut response);
                let _ = stream.send_data(framed(&first), false);
                end(&mut stream, 0);
            }
        }
    })
    .await;
    let gateway = ServedGateway::start(server.builder("bodies.proto").build()).await;
    (server, gateway, received)
}

async fn send(gateway: &ServedGateway, method: &str, path: &str, data: &[u8]) -> Fetched {
    let request = Request::builder().method(method).uri(path).header("content-type", "image/png");
    let pieces = Pieces::new([Bytes::copy_from_slice(data)]);
    gateway.fetch(request.body(pieces).unwrap()).await
}

#[tokio::test]
async fn a_body_is_bytes_in_both_directions() {
    let (_server, gateway, received) = echo().await;
    let data = b"\x89PNG\xff\0 no JSON";
    let fetched = send(&gateway, "POST", "/v1/raw", data).await;
    assert_eq!((fetched.status, fetched.body.as_slice()), (200, &data[..]), "{fetched:?}");
    assert_eq!(fetched.headers["content-type"], "image/png");
    assert_eq!(fetched.headers["x-content-type-options"], "nosniff");
    let message = HttpBody::decode(received.lock().unwrap()[0].clone()).unwrap();
    assert_eq!(message, body("image/png", data));

    let fetched = send(&gateway, "POST", "/v1/raw", b"").await;
    assert_eq!((fetched.status, fetched.body.len()), (200, 0));
}

#[tokio::test]
async fn a_field_is_bytes_beside_the_path() {
    let (_server, gateway, received) = echo().await;
    let fetched = send(&gateway, "PUT", "/v1/files/a.png", b"data").await;
    assert_eq!((fetched.status, fetched.body.as_slice()), (200, &b"data"[..]), "{fetched:?}");
    assert_eq!(fetched.headers["content-type"], "image/png");
    let file = File::decode(received.lock().unwrap()[0].clone()).unwrap();
    let expected = File { name: "a.png".to_owned(), content: Some(body("image/png", b"data")) };
    assert_eq!(file, expected);
}

#[tokio::test]
async fn an_upload_is_a_stream_of_its_pieces() {
    let (_server, gateway, received) = echo().await;
    let request = Request::post("/v1/files/a.bin").header("content-type", "text/csv");
    let pieces = Pieces::new([vec![b'a'; 70_000], vec![b'b'; 5]]);
    let fetched = gateway.fetch(request.body(pieces).unwrap()).await;
    // The response is JSON.
    assert_eq!((fetched.status, &fetched.json()["name"]), (200, &"a.bin".into()), "{fetched:?}");
    let received = received.lock().unwrap();
    let files: Vec<_> =
        received.iter().map(|message| File::decode(message.clone()).unwrap()).collect();
    let data: Vec<u8> =
        files.iter().flat_map(|file| file.content.as_ref().unwrap().data.clone()).collect();
    assert_eq!(data, [vec![b'a'; 70_000], vec![b'b'; 5]].concat());
    let types: Vec<_> =
        files.iter().map(|file| file.content.as_ref().unwrap().content_type.as_str()).collect();
    assert_eq!(types[0], "text/csv");
    assert!(types[1..].iter().all(|other| other.is_empty()), "{types:?}");
}

#[tokio::test]
async fn an_upload_without_bytes_is_one_message() {
    let (_server, gateway, received) = echo().await;
    let request = Request::post("/v1/files/empty").header("content-type", "text/csv");
    let fetched = gateway.fetch(request.body(String::new()).unwrap()).await;
    assert_eq!(fetched.status, 200, "{fetched:?}");
    assert_eq!(received.lock().unwrap().len(), 1);
}

/// Starts a server that sends these bodies, and then a code.
async fn sender(bodies: Vec<HttpBody>, code: u32) -> (RawUpstream, ServedGateway) {
    let server = RawUpstream::start(move |request, mut response| {
        let bodies = bodies.clone();
        async move {
            read_messages(&mut request.into_body()).await;
            let mut stream = begin(&mut response);
            for content in bodies {
                let file = File { name: String::new(), content: Some(content) };
                let _ = stream.send_data(framed(&file.encode_to_vec()), false);
            }
            end(&mut stream, code);
        }
    })
    .await;
    let gateway = ServedGateway::start(server.builder("bodies.proto").build()).await;
    (server, gateway)
}

#[tokio::test]
async fn a_download_is_the_data_of_all_messages() {
    let bodies = vec![body("text/csv", b"a,b\n"), body("", b""), body("text/other", b"1,2\n")];
    let (_server, gateway) = sender(bodies, 0).await;
    let fetched = gateway.get("/v1/files/x").await;
    assert_eq!((fetched.status, fetched.text()), (200, "a,b\n1,2\n"));
    assert_eq!(fetched.headers["content-type"], "text/csv");
}

#[tokio::test]
async fn a_download_that_fails_at_once_has_a_status() {
    let (_server, gateway) = sender(Vec::new(), 5).await;
    let fetched = gateway.get("/v1/files/x").await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (404, &5.into()));
}

#[tokio::test]
async fn a_download_that_fails_later_is_cut_off() {
    let received = Arc::<Notify>::default();
    let server = RawUpstream::start({
        let received = Arc::clone(&received);
        move |request, mut response| {
            let received = Arc::clone(&received);
            async move {
                read_messages(&mut request.into_body()).await;
                let mut stream = begin(&mut response);
                let file = File { name: String::new(), content: Some(body("text/csv", b"a,b\n")) };
                let _ = stream.send_data(framed(&file.encode_to_vec()), false);
                received.notified().await;
                end(&mut stream, 14);
            }
        }
    })
    .await;
    let gateway = ServedGateway::start(server.builder("bodies.proto").build()).await;
    let request = Request::get("/v1/files/x").body(String::new()).unwrap();
    let mut response = gateway.send(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(next_data(response.body_mut()).await.unwrap(), "a,b\n");
    received.notify_one();
    // The end of the response is an error, since a clean end would say that this was all.
    let last = next_frame(response.body_mut()).await;
    assert!(matches!(last, Some(Err(_))), "{last:?}");
}

#[tokio::test]
async fn a_type_that_is_missing_or_no_header_value_is_unknown_bytes() {
    let (_server, gateway) = sender(vec![body("text/csv\r\nx-evil: 1", b"x")], 0).await;
    let fetched = gateway.get("/v1/files/x").await;
    assert_eq!((fetched.status, fetched.text()), (200, "x"));
    assert_eq!(fetched.headers["content-type"], "application/octet-stream");
    assert!(!fetched.headers.contains_key("x-evil"));
}

#[tokio::test]
async fn on_websockets_bodies_are_messages_of_bytes() {
    let (_server, gateway, received) = echo().await;
    let data = b"\x89PNG\xff\0 no JSON";
    for (path, data) in [
        ("/v1/raw?method=POST", &data[..]),
        ("/v1/raw?method=POST", b""),
        ("/v1/files/a.png?method=PUT", data),
    ] {
        let mut socket = connect(client(&gateway, path)).await;
        socket.send(data).await.unwrap();
        assert_eq!(receive(&mut socket).await, Message::from(data), "{path}");
        assert_eq!(u16::from(receive_close(&mut socket).await.code), 1000, "{path}");
    }
    let file = File::decode(received.lock().unwrap()[2].clone()).unwrap();
    assert_eq!(file, File { name: "a.png".to_owned(), content: Some(body("", data)) });

    // A stream of requests, whose response is JSON.
    received.lock().unwrap().clear();
    let mut socket = connect(client(&gateway, "/v1/files/a?method=POST")).await;
    socket.send(&b"\xff"[..]).await.unwrap();
    socket.send("text").await.unwrap();
    socket.send("").await.unwrap();
    let reply = receive(&mut socket).await;
    assert!(reply.as_text().unwrap().contains(r#""name":"a""#), "{reply}");
    let received = received.lock().unwrap();
    let data = received.iter().map(|message| File::decode(message.clone()).unwrap());
    let data: Vec<_> = data.map(|file| file.content.unwrap().data).collect();
    assert_eq!(data, [&b"\xff"[..], b"text"]);
}

#[tokio::test]
async fn on_websockets_a_text_message_is_an_error() {
    let bodies = vec![body("text/csv", b"a,b\n"), body("", b"1,2\n")];
    let (_server, gateway) = sender(bodies, 5).await;
    let mut socket = connect(client(&gateway, "/v1/files/x")).await;
    assert_eq!(receive(&mut socket).await, Message::from(b"a,b\n"));
    assert_eq!(receive(&mut socket).await, Message::from(b"1,2\n"));
    let error = receive(&mut socket).await;
    assert!(error.as_text().unwrap().starts_with(r#"{"error":{"code":5,"#), "{error}");
    assert_eq!(u16::from(receive_close(&mut socket).await.code), 4005);
}
