//! Opens three WebSockets on one HTTP/2 connection, with the certificate that the example
//! `http2_server` has written.
//!
//!     cargo run -p sockeye --features http2 --example http2_client

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use sockeye::{Client, CloseCode};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    let certificate = std::env::temp_dir().join("sockeye-http2.pem");
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();

    let client = Client::new("wss://localhost:8443/").tls(Arc::new(tls));
    let http2 = client.connect_http2().await?;
    let mut sockets = Vec::new();
    for name in ["coho", "chum", "chinook"] {
        let mut ws = http2.open(&format!("/echo/{name}")).await?;
        ws.send(format!("hello, {name}")).await?;
        sockets.push(ws);
    }
    for mut ws in sockets {
        if let Some(message) = ws.recv().await? {
            println!("{message}");
        }
        ws.close(CloseCode::NORMAL_CLOSURE, "").await?;
    }
    Ok(())
}
