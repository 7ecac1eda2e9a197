use std::path::{Path, PathBuf};
use std::sync::Arc;

use sockeye_hub::bus::BusEvent;
use sockeye_hub::bus::kit::{Case, Kit};
use sockeye_hub::bus::redis::{ConnectError, Redis, RedisTlsError};

use crate::broker::observer::{Observer, room};
use crate::redis::server::{Server, free_port};
use sockeye_hub::bus::Bus;

/// A server with TLS, and what clients trust.
struct Secure {
    server: Arc<Server>,
    port: u16,
    certificate: PathBuf,
    key: PathBuf,
}

impl Secure {
    /// Starts a server that requires certificates of clients or not: here the server's own.
    async fn start(requires_certificates: bool) -> Option<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()]);
        let made = made.unwrap();
        let path = |folder: &Path, name| folder.join(name).to_str().unwrap().to_owned();
        let ports = std::sync::Mutex::new((0, PathBuf::new()));
        let server = Server::start_with(|folder| {
            let (certificate, key) = (path(folder, "server.pem"), path(folder, "key.pem"));
            std::fs::write(&certificate, made.cert.pem()).unwrap();
            std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
            let port = free_port();
            *ports.lock().unwrap() = (port, folder.into());
            let auth = if requires_certificates { "yes" } else { "no" };
            let port = port.to_string();
            [
                ["--tls-port", &port],
                ["--tls-cert-file", &certificate],
                ["--tls-key-file", &key],
                ["--tls-ca-cert-file", &certificate],
                ["--tls-auth-clients", auth],
            ]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
        });
        let server = Arc::new(server.await?);
        let (port, folder) = ports.into_inner().unwrap();
        let (certificate, key) = (folder.join("server.pem"), folder.join("key.pem"));
        Some(Self { server, port, certificate, key })
    }

    fn url(&self, parameters: &str) -> String {
        format!("rediss://127.0.0.1:{}{parameters}", self.port)
    }

    fn trusted(&self) -> String {
        self.url(&format!("?ca_file={}", self.certificate.display()))
    }
}

#[tokio::test]
async fn and_the_contract_is_kept() {
    let Some(secure) = Secure::start(false).await else { return };
    let url = secure.trusted();
    let kit = Kit::new(move || {
        let url = url.clone();
        async move { Redis::connect(&url).await.unwrap() }
    });
    let server = secure.server.clone();
    let kit = kit.interrupt(move || {
        let server = server.clone();
        async move { server.end_connections().await }
    });
    for case in [Case::StoredPublications, Case::LivePublications, Case::Fields, Case::Outage] {
        kit.run_case(case).await.unwrap();
    }
}

#[tokio::test]
async fn and_another_certificate_is_refused() {
    let Some(secure) = Secure::start(false).await else { return };
    // Of the system's roots, none has signed the certificate.
    let error = Redis::connect(&secure.url("")).await.unwrap_err();
    let is_refused = match &error {
        ConnectError::Server { error, .. } => error.to_string().contains("certificate"),
        ConnectError::Tls(RedisTlsError::NoSystemRoots) => true,
        _ => false,
    };
    assert!(is_refused, "{error}");
    // The server without TLS.
    let url = secure.trusted().replace(&secure.port.to_string(), &secure.server.port.to_string());
    let error = Redis::connect(&url).await.unwrap_err();
    assert!(matches!(error, ConnectError::Server { .. }), "{error:?}");
}

#[tokio::test]
async fn and_a_server_receives_the_certificate_that_it_requires() {
    let Some(secure) = Secure::start(true).await else { return };
    let error = Redis::connect(&secure.trusted()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Server { .. }), "{error:?}");
    let (certificate, key) = (secure.certificate.display(), secure.key.display());
    let url = format!("{}&cert_file={certificate}&key_file={key}", secure.trusted());
    let mut node = Observer::new(Redis::connect(&url).await.unwrap(), 1, 100);
    let room = room("log");
    node.bus.subscribe(&room, None).await.unwrap();
    node.store(&room, "stored").await;
    node.until(|event| matches!(event, BusEvent::Stored { .. })).await;
}

#[tokio::test]
async fn and_a_file_that_cannot_be_used_is_named() {
    let folder = std::env::temp_dir().join(format!("sockeye-hub-pem-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    std::fs::write(folder.join("certificate"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("text"), "no PEM").unwrap();
    let shown = folder.display();
    let cases = [
        (format!("ca_file={shown}/none"), format!("cannot read {shown}/none")),
        (format!("ca_file={shown}/text"), format!("no certificate in {shown}/text")),
        (format!("ca_file={shown}/key"), format!("no certificate in {shown}/key")),
        (
            format!("ca_file={shown}/certificate&cert_file={shown}/certificate"),
            "both cert_file and key_file".to_owned(),
        ),
        (
            format!(
                "ca_file={shown}/certificate&cert_file={shown}/certificate&key_file={shown}/text"
            ),
            format!("no private key in {shown}/text"),
        ),
    ];
    for (parameters, expected) in cases {
        let error = Redis::connect(&format!("rediss://127.0.0.1:1?{parameters}")).await;
        let error = error.unwrap_err();
        assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");
        assert!(error.to_string().contains(&expected), "{error}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
