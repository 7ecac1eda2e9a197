use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::header::AUTHORIZATION;
use sockeye::Client;
use sockeye::reconnect::{Backoff, Reconnecting};
use sockeye::resume::{Error, Limits, ResumableStream, ResumeError, SUBPROTOCOL};
use sockeye_gateway_testing::proto::echo_client::EchoClient;
use sockeye_grpc::{Channel, Endpoint};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::sockets::{client, serve};
use crate::support::{ServedGateway, message};

const MAX_SESSIONS: usize = 2;

/// A relay to the gateway: each change of the number cuts all connections.
async fn relay(to: SocketAddr) -> (SocketAddr, watch::Sender<u32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let epoch = watch::Sender::new(0);
    let cuts = epoch.clone();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut epoch = cuts.subscribe();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = epoch.changed() => {}
                }
            });
        }
    });
    (address, epoch)
}

async fn serve_sessions() -> (sockeye_gateway_testing::Server, ServedGateway) {
    let limits = Limits::new().expiry(Duration::from_secs(60));
    serve(|builder| builder.tunnel_path("/tunnel").tunnel_sessions(limits, MAX_SESSIONS)).await
}

fn address(gateway: &ServedGateway) -> SocketAddr {
    client(gateway, "/").url().unwrap().authority().parse().unwrap()
}

fn reconnecting(address: SocketAddr) -> Reconnecting {
    let client = Client::new(format!("ws://{address}/tunnel")).subprotocols([SUBPROTOCOL]);
    let backoff = Backoff::new().base(Duration::from_millis(1)).cap(Duration::from_millis(20));
    Reconnecting::new(client).backoff(backoff.max_attempts(Some(1000)))
}

async fn channel(address: SocketAddr) -> Channel {
    let connector = move || async move {
        ResumableStream::connect(reconnecting(address)).await.map_err(io::Error::from)
    };
    Endpoint::with_connector(connector).connect().await.unwrap()
}

#[tokio::test]
async fn a_stream_and_new_calls_go_on_after_each_cut() {
    let (_server, gateway) = serve_sessions().await;
    let (relay, epoch) = relay(address(&gateway)).await;
    let mut client = EchoClient::new(channel(relay).await);
    let (texts, requests) = mpsc::unbounded_channel();
    let replies = client.chat(UnboundedReceiverStream::new(requests)).await.unwrap();
    let mut replies = replies.into_inner();
    for round in 0..10 {
        epoch.send_modify(|epoch| *epoch += 1);
        let text = format!("round {round}");
        texts.send(message(&text)).unwrap();
        assert_eq!(replies.message().await.unwrap().unwrap().text, text);
        let reply = client.unary(message(&text)).await.unwrap();
        assert_eq!(reply.into_inner().text, text);
    }
    drop(texts);
    assert!(replies.message().await.unwrap().is_none());
}

#[tokio::test]
async fn sessions_are_limited_and_off_by_default() {
    let (_server, gateway) = serve_sessions().await;
    let address_of_sessions = address(&gateway);
    let mut streams = Vec::new();
    for _ in 0..MAX_SESSIONS {
        let begun = ResumableStream::connect(reconnecting(address_of_sessions)).await;
        streams.push(begun.unwrap());
    }
    let error = ResumableStream::connect(reconnecting(address_of_sessions)).await.unwrap_err();
    assert!(matches!(error, Error::Session(ResumeError::Full)), "{error}");

    let (_server, gateway) = serve(|builder| builder.tunnel_path("/tunnel")).await;
    let begun = ResumableStream::connect(reconnecting(address(&gateway))).await;
    let error = begun.unwrap_err();
    assert!(matches!(error, Error::Subprotocol | Error::Connection(_)), "{error}");
}

#[tokio::test]
async fn a_session_belongs_to_the_credentials_of_its_request() {
    let (_server, gateway) = serve_sessions().await;
    let (relay, epoch) = relay(address(&gateway)).await;
    let tokens = Arc::new(AtomicU32::new(0));
    // Each attempt has another token, as a thief of the session would.
    let client = reconnecting(relay).before_attempt(move |_attempt, mut headers| {
        let token = tokens.fetch_add(1, Ordering::Relaxed);
        async move {
            headers.insert(AUTHORIZATION, format!("Bearer {token}").parse()?);
            Ok(headers)
        }
    });
    let mut stream = ResumableStream::connect(client).await.unwrap();
    epoch.send_modify(|epoch| *epoch += 1);
    let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    assert!(matches!(cause, Some(Error::Session(ResumeError::Unknown))), "{error:?}");
}
