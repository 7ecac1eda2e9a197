use sockeye::{CloseCode, Kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ledger::record_async;
use crate::pairing::plain;

#[test]
fn messages_bytes_connections_and_close_frames() {
    let metrics = record_async(async {
        let (mut client, mut server) = plain().await;
        client.send("hello").await.unwrap();
        client.send(vec![1, 2, 3]).await.unwrap();
        for _ in 0..2 {
            let message = server.recv().await.unwrap().unwrap();
            server.send(message).await.unwrap();
        }
        for _ in 0..2 {
            client.recv().await.unwrap().unwrap();
        }
        let (closed, ended) =
            tokio::join!(client.close(CloseCode::NORMAL_CLOSURE, ""), server.recv());
        closed.unwrap();
        assert_eq!(ended.unwrap(), None);
    });
    // Frames: 2 bytes of header, 4 of mask key from the client, 2 of close code.
    assert_eq!(
        metrics,
        [
            "sockeye_close_frames_received_total{client,1000} 1",
            "sockeye_close_frames_received_total{server,1000} 1",
            "sockeye_close_frames_sent_total{client,1000} 1",
            "sockeye_close_frames_sent_total{server,1000} 1",
            "sockeye_connections_opened_total{client} 1",
            "sockeye_connections_opened_total{server} 1",
            "sockeye_messages_received_bytes_total{client,binary} 3",
            "sockeye_messages_received_bytes_total{client,text} 5",
            "sockeye_messages_received_bytes_total{server,binary} 3",
            "sockeye_messages_received_bytes_total{server,text} 5",
            "sockeye_messages_received_total{client,binary} 1",
            "sockeye_messages_received_total{client,text} 1",
            "sockeye_messages_received_total{server,binary} 1",
            "sockeye_messages_received_total{server,text} 1",
            "sockeye_messages_sent_bytes_total{client,binary} 3",
            "sockeye_messages_sent_bytes_total{client,text} 5",
            "sockeye_messages_sent_bytes_total{server,binary} 3",
            "sockeye_messages_sent_bytes_total{server,text} 5",
            "sockeye_messages_sent_total{client,binary} 1",
            "sockeye_messages_sent_total{client,text} 1",
            "sockeye_messages_sent_total{server,binary} 1",
            "sockeye_messages_sent_total{server,text} 1",
            "sockeye_wire_received_bytes_total{client} 16",
            "sockeye_wire_received_bytes_total{server} 28",
            "sockeye_wire_sent_bytes_total{client} 20",
            "sockeye_wire_sent_bytes_total{server} 12",
        ]
    );
}

#[test]
fn the_halves_of_a_connection_count_as_the_whole() {
    let metrics = record_async(async {
        let (client, mut server) = plain().await;
        let (sender, mut receiver) = client.split();
        sender.send("hello").await.unwrap();
        assert_eq!(server.recv().await.unwrap().unwrap(), "hello");
        sender.close(CloseCode::GOING_AWAY, "").unwrap();
        let (ours, theirs) = tokio::join!(receiver.recv(), server.recv());
        assert_eq!((ours.unwrap(), theirs.unwrap()), (None, None));
    });
    assert_eq!(
        metrics,
        [
            "sockeye_close_frames_received_total{client,1001} 1",
            "sockeye_close_frames_received_total{server,1001} 1",
            "sockeye_close_frames_sent_total{client,1001} 1",
            "sockeye_close_frames_sent_total{server,1001} 1",
            "sockeye_connections_opened_total{client} 1",
            "sockeye_connections_opened_total{server} 1",
            "sockeye_messages_received_bytes_total{server,text} 5",
            "sockeye_messages_received_total{server,text} 1",
            "sockeye_messages_sent_bytes_total{client,text} 5",
            "sockeye_messages_sent_total{client,text} 1",
            "sockeye_wire_received_bytes_total{client} 4",
            "sockeye_wire_received_bytes_total{server} 19",
            "sockeye_wire_sent_bytes_total{client} 11",
        ]
    );
}

#[test]
fn a_byte_stream_counts_its_messages_and_each_close_frame_once() {
    let metrics = record_async(async {
        let (client, server) = plain().await;
        let (mut client, mut server) = (client.into_byte_stream(), server.into_byte_stream());
        let mut received = Vec::new();
        client.write_all(b"hello").await.unwrap();
        client.shutdown().await.unwrap();
        server.read_to_end(&mut received).await.unwrap();
        server.write_all(b"bye").await.unwrap();
        let (ended, read) = tokio::join!(server.shutdown(), client.read_to_end(&mut received));
        ended.and(read.map(drop)).unwrap();
        assert_eq!(received, b"hellobye");
    });
    assert_eq!(
        metrics,
        [
            "sockeye_close_frames_received_total{client,1000} 1",
            "sockeye_close_frames_received_total{server,1000} 1",
            "sockeye_close_frames_sent_total{client,1000} 1",
            "sockeye_close_frames_sent_total{server,1000} 1",
            "sockeye_connections_opened_total{client} 1",
            "sockeye_connections_opened_total{server} 1",
            "sockeye_messages_received_bytes_total{client,binary} 3",
            "sockeye_messages_received_bytes_total{server,binary} 5",
            "sockeye_messages_received_total{client,binary} 1",
            "sockeye_messages_received_total{server,binary} 1",
            "sockeye_messages_sent_bytes_total{client,binary} 5",
            "sockeye_messages_sent_bytes_total{server,binary} 3",
            "sockeye_messages_sent_total{client,binary} 1",
            "sockeye_messages_sent_total{server,binary} 1",
            "sockeye_wire_received_bytes_total{client} 9",
            "sockeye_wire_received_bytes_total{server} 19",
            "sockeye_wire_sent_bytes_total{client} 11",
            "sockeye_wire_sent_bytes_total{server} 5",
        ]
    );
}

#[test]
fn a_message_in_pieces_is_one_message() {
    const LENGTH: usize = 150_000;
    let metrics = record_async(async {
        let (mut client, mut server) = plain().await;
        let mut message = client.send_stream(Kind::Binary).await.unwrap();
        message.write_all(&vec![7; LENGTH]).await.unwrap();
        message.finish().await.unwrap();
        let mut received = Vec::new();
        let mut message = server.recv_stream().await.unwrap().unwrap();
        message.read_to_end(&mut received).await.unwrap();
        assert_eq!(received.len(), LENGTH);
    });
    // Three fragments: the extended length takes 8 bytes in two of them and 2 in the last.
    assert_eq!(
        metrics,
        [
            "sockeye_connections_opened_total{client} 1",
            "sockeye_connections_opened_total{server} 1",
            "sockeye_messages_received_bytes_total{server,binary} 150000",
            "sockeye_messages_received_total{server,binary} 1",
            "sockeye_messages_sent_bytes_total{client,binary} 150000",
            "sockeye_messages_sent_total{client,binary} 1",
            "sockeye_wire_received_bytes_total{server} 150036",
            "sockeye_wire_sent_bytes_total{client} 150036",
        ]
    );
}

#[test]
fn a_connection_that_is_open_shows_in_the_gauge() {
    let mut kept = None;
    let metrics = record_async(async { kept = Some(plain().await) });
    assert_eq!(
        metrics,
        [
            "sockeye_connections_opened_total{client} 1",
            "sockeye_connections_opened_total{server} 1",
            "sockeye_connections_open{client} 1",
            "sockeye_connections_open{server} 1",
        ]
    );
    // The snapshot has reset the gauge: only the decrease is left.
    assert_eq!(
        record_async(async move { drop(kept) }),
        ["sockeye_connections_open{client} -1", "sockeye_connections_open{server} -1"]
    );
}
