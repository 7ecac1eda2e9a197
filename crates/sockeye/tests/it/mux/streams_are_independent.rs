use std::io;

use sockeye::mux::{Config, ReadError, Session, WriteError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{assert_done, bytes, echo, open, sessions, stop, talk};

#[tokio::test]
async fn all_kinds_of_streams_work_over_a_websocket() {
    let (client, server) = sessions(Config::new(), Config::new()).await;
    let end = tokio::spawn(echo(server));
    talk(&client).await;
    assert_done(&end.await.unwrap());
}

#[tokio::test]
async fn all_kinds_of_streams_work_over_a_byte_stream() {
    let (near, far) = tokio::io::duplex(10_000);
    let client = Session::client_over(near, Config::new());
    let end = tokio::spawn(echo(Session::server_over(far, Config::new())));
    talk(&client).await;
    assert_done(&end.await.unwrap());
}

#[tokio::test]
async fn a_stalled_stream_does_not_hold_up_another() {
    let window = 10_000;
    let (client, server) =
        sessions(Config::new(), Config::new().stream_window(window).max_stream_window(0)).await;
    let ((mut stalled, _recv), _unread) = open(&client, &server).await;
    let data = bytes(0, 1_000_000);
    // The writer of the stalled stream waits for ever.
    let writer = tokio::spawn(async move { stalled.write_all(&data).await });

    let ((mut live, _recv), (_send, mut reader)) = open(&client, &server).await;
    let data = bytes(1, 1_000_000);
    let mut arrived = vec![0; data.len()];
    let (written, read) = tokio::join!(live.write_all(&data), reader.read_exact(&mut arrived));
    written.unwrap();
    read.unwrap();
    assert_eq!(arrived, data);
    assert!(!writer.is_finished());
    writer.abort();
}

#[tokio::test]
async fn each_direction_of_a_stream_ends_on_its_own() {
    let (client, server) = sessions(Config::new(), Config::new()).await;
    let ((mut send, mut recv), (mut far_send, mut far_recv)) = open(&client, &server).await;
    send.shutdown().await.unwrap();
    assert_eq!(far_recv.read_chunk(9).await.unwrap(), None);
    far_send.write_all(b"answer").await.unwrap();
    far_send.shutdown().await.unwrap();
    let mut answer = String::new();
    recv.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
    assert!(matches!(send.finish(), Err(WriteError::Finished)));
    assert_eq!(send.stopped().await.unwrap(), None);
}

#[tokio::test]
async fn a_reset_is_an_error_of_the_reader() {
    let (client, server) = sessions(Config::new(), Config::new()).await;
    let ((mut send, _recv), (_send, mut recv)) = open(&client, &server).await;
    send.reset(9);
    let error = recv.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    assert!(matches!(cause, Some(ReadError::Reset(9))), "{cause:?}");
}

#[tokio::test]
async fn a_stop_is_an_error_of_the_writer() {
    let (client, server) = sessions(Config::new(), Config::new()).await;
    let ((mut send, _recv), (_send, mut recv)) = open(&client, &server).await;
    recv.stop(9);
    assert_eq!(send.stopped().await.unwrap(), Some(9));
    let error = send.write(b"late").await.unwrap_err();
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    assert!(matches!(cause, Some(WriteError::Stopped(9))), "{cause:?}");
}

#[tokio::test]
async fn streams_that_are_stopped_return_the_window_of_the_session() {
    let config = Config::new().session_window(500_000);
    let (client, server) = sessions(config, config).await;
    let end = tokio::spawn(echo(server));
    stop(&client, 1_000_000).await;
    client.close(7, "done");
    assert_done(&end.await.unwrap());
}

#[tokio::test]
async fn a_stop_wakes_a_writer_that_waits() {
    let config = Config::new().stream_window(10).max_stream_window(0);
    let (client, server) = sessions(Config::new(), config).await;
    let ((mut send, _recv), (_send, recv)) = open(&client, &server).await;
    let writer = tokio::spawn(async move { send.write_all(&bytes(0, 1_000_000)).await });
    drop(recv);
    assert_eq!(writer.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_stream_waits_for_the_limit_of_streams() {
    let (client, server) = sessions(Config::new(), Config::new().max_uni_streams(1)).await;
    for round in 0..100_u8 {
        let mut send = client.open_uni().await.unwrap();
        send.write_u8(round).await.unwrap();
        send.finish().unwrap();
        let opened = tokio::time::timeout(std::time::Duration::from_millis(1), client.open_uni());
        if round == 0 {
            assert!(opened.await.is_err());
        }
        let mut recv = server.accept_uni().await.unwrap();
        assert_eq!(recv.read_u8().await.unwrap(), round);
        assert_eq!(recv.read_chunk(1).await.unwrap(), None);
    }
}
