//! Confidentiality and certificate checks of TLS inside a WebSocket. `channels_of_all_kinds.rs`
//! tests that calls work.

use sockeye::Client;
use sockeye_grpc::{ConnectError, Endpoint};
use sockeye_grpc_testing::proto::HelloRequest;
use sockeye_grpc_testing::proto::greeter_client::GreeterClient;
use tokio_rustls::rustls::{self, CertificateError, InvalidMessage, RootCertStore};

use crate::{relay, server};

const CALLS: usize = 100;

// One thread, so that tasks that are ready together run together.
#[tokio::test]
async fn a_call_is_one_message_each_way_that_the_carrier_cannot_read() {
    let name = "a name that is nobody else's business";
    let (url, tls) = server::with_tls_inside().await;
    let (url, passed) = relay::to(url).await;
    let channel = Endpoint::new(Client::new(url)).tls(tls).connect().await.unwrap();
    let mut greeter = GreeterClient::new(channel);
    let hello = HelloRequest { name: name.into() };
    // Settings of both sides and their acknowledgements are exchanged first, and session tickets.
    for _ in 0..10 {
        greeter.say_hello(hello.clone()).await.unwrap();
    }
    let before = passed.counts();
    for _ in 0..CALLS {
        let reply = greeter.say_hello(hello.clone()).await.unwrap().into_inner();
        assert_eq!(reply.message, format!("Hello {name}!"));
    }
    let after = passed.counts();
    assert_eq!((after.0 - before.0, after.1 - before.1), (CALLS, CALLS));
    assert_eq!(passed.with(name), 0);
}

// Shows that the test above can fail.
#[tokio::test]
async fn without_it_the_carrier_reads_everything() {
    let (url, passed) = relay::to(server::at_websocket().await).await;
    let mut greeter = GreeterClient::new(sockeye_grpc::connect(url).await.unwrap());
    greeter.say_hello(HelloRequest { name: "nobody else's".into() }).await.unwrap();
    assert_eq!(passed.with("nobody else's"), 2);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused() {
    let (url, _) = server::with_tls_inside().await;
    let trusts_nobody = server::trusting(RootCertStore::empty());
    let endpoint = Endpoint::new(Client::new(url)).tls(trusts_nobody);
    assert_eq!(
        refusal(endpoint).await,
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)
    );
}

#[tokio::test]
async fn a_certificate_for_another_origin_is_refused() {
    let (url, tls) = server::with_tls_inside().await;
    let endpoint = Endpoint::new(Client::new(url)).tls(tls);
    let error = refusal(endpoint.origin(&"https://localhost".parse().unwrap())).await;
    assert!(
        matches!(
            error,
            rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_server_without_tls_inside_is_refused() {
    let (_, tls) = server::with_tls_inside().await;
    let endpoint = Endpoint::new(Client::new(server::at_websocket().await)).tls(tls);
    assert_eq!(
        refusal(endpoint).await,
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)
    );
}

async fn refusal(endpoint: Endpoint) -> rustls::Error {
    let error = endpoint.connect().await.unwrap_err();
    let ConnectError::Tls(within) = error else { panic!("{error:?}") };
    within.get_ref().unwrap().downcast_ref::<rustls::Error>().unwrap().clone()
}
