//! Jetty 12 answers an extended CONNECT with `content-length: 0`, and sends DATA. RFC 9110 section
//! 9.3.6 requires a client to ignore the header.

use bytes::Bytes;
use http::{Response, StatusCode};
use sockeye::ConnectError;
use sockeye::handshake::HandshakeError;
use tokio::io::duplex;

use super::serving;

#[tokio::test]
async fn a_websocket_whose_answer_has_a_content_length_is_open() {
    let (client, server) = duplex(1000);
    tokio::spawn(async move {
        let mut builder = h2::server::Builder::new();
        builder.enable_connect_protocol();
        let mut connection = builder.handshake::<_, Bytes>(server).await.unwrap();
        let mut open = Vec::new();
        while let Some(Ok((request, mut answer))) = connection.accept().await {
            let refused = request.uri().path() == "/refused";
            let status = if refused { StatusCode::FORBIDDEN } else { StatusCode::OK };
            let length = if refused { "7" } else { "0" };
            let head = Response::builder().status(status).header("content-length", length);
            let mut send = answer.send_response(head.body(()).unwrap(), false).unwrap();
            let body: &[u8] = if refused { b"go away" } else { b"\x81\x05hello" };
            send.send_data(Bytes::from_static(body), refused).unwrap();
            open.push(send);
        }
    });
    let http2 = serving::client().handshake_http2(client).await.unwrap();
    // More than once: later the server refers to the header by its index in the dynamic table.
    for _ in 0..3 {
        let mut ws = http2.open("/").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some("hello".into()));
        match http2.open("/refused").await.unwrap_err() {
            ConnectError::Handshake(HandshakeError::Status { status, headers, body, .. }) => {
                assert_eq!((status.as_u16(), &body[..]), (403, &b"go away"[..]));
                assert_eq!(headers["content-length"], "7");
                assert!(!headers.contains_key("accept-charset"));
            }
            other => panic!("{other:?}"),
        }
    }
}
