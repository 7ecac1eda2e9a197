//! A server on another implementation of the protocol answers plain, compressed, encrypted and
//! fan-out loads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rcgen::{CertifiedKey, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sockeye::MessageRef;
use sockeye::push::{Connection, Handler, Server};
use sockeye::upgrade::Options;
use sockeye_load::{DeflateMode, Load, LoadError, LoadReport, PayloadKind, TrafficPattern};

struct Echo;

impl Handler for Echo {
    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        connection.send(message);
    }
}

struct FanOut;

impl Handler for FanOut {
    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        connection.broadcast(message).unwrap();
    }
}

/// Starts the server on a thread that ends with the process.
fn serve<H, F>(server: Server<F>) -> SocketAddr
where
    H: Handler,
    F: Fn() -> H + Send + Sync + 'static,
{
    let listening = server.workers(1).listen("127.0.0.1:0").unwrap();
    let address = listening.local_addr().unwrap();
    thread::spawn(|| listening.run());
    address
}

fn short(load: Load) -> Result<LoadReport, LoadError> {
    load.connections(5)
        .in_flight(3)
        .warm_up(Duration::from_millis(5))
        .duration(Duration::from_millis(50))
        .run()
}

#[test]
fn messages_of_every_length_and_kind_are_echoed() {
    let address = serve(Server::new(|| Echo));
    for (length, payload) in [
        (0, PayloadKind::Binary),
        (125, PayloadKind::Ascii),
        (126, PayloadKind::Json),
        (65_535, PayloadKind::Utf8),
        (65_536, PayloadKind::Binary),
    ] {
        let report = short(Load::new(address).length(length).payload(payload)).unwrap();
        assert!(report.messages > 0, "{length} bytes of {payload}");
    }
}

#[test]
fn compressed_messages_are_echoed_with_and_without_context_takeover() {
    for mode in [DeflateMode::Takeover, DeflateMode::NoTakeover] {
        let no_takeover = mode == DeflateMode::NoTakeover;
        let deflate = sockeye::Deflate::new()
            .no_context_takeover(no_takeover)
            .peer_no_context_takeover(no_takeover)
            .threshold(0);
        let address = serve(Server::new(|| Echo).options(Options::new().deflate(deflate)));
        let load = Load::new(address).payload(PayloadKind::Json).length(500).deflate(mode);
        assert!(short(load).unwrap().messages > 0, "{mode}");
    }
}

#[test]
fn a_server_without_compression_is_refused() {
    let address = serve(Server::new(|| Echo));
    let load = Load::new(address).payload(PayloadKind::Json).deflate(DeflateMode::Takeover);
    let LoadError::Connection { index: 0, error } = short(load).unwrap_err() else { panic!() };
    assert!(matches!(*error, LoadError::WrongExtension { answer } if answer.is_empty()));
}

#[test]
fn every_delivery_of_a_fan_out_counts() {
    let address = serve(Server::new(|| FanOut));
    let report = short(Load::new(address).pattern(TrafficPattern::FanOut)).unwrap();
    assert_eq!(report.latency.unwrap().messages(), report.messages);
}

#[test]
fn messages_are_echoed_over_tls_to_a_server_with_the_right_name_only() {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let address = serve(Server::new(|| Echo).tls(server_config(&cert, &signing_key)));
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let load = |name: &'static str| {
        let name = ServerName::try_from(name).unwrap();
        Load::new(address).length(100_000).tls(Arc::clone(&config), name)
    };
    assert!(short(load("localhost")).unwrap().messages > 0);
    let LoadError::Connection { index: 0, error } = short(load("example.com")).unwrap_err() else {
        panic!()
    };
    assert!(matches!(*error, LoadError::HandshakeIo(_)), "{error:?}");
}

fn server_config(certificate: &rcgen::Certificate, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key);
    Arc::new(config.unwrap())
}
