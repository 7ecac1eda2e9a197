//! A certificate for the servers of one race, and the TLS configuration of its driver.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::mode::Certificate;

/// Creates a self-signed certificate for 127.0.0.1 and writes the certificate and its key to
/// `folder`.
///
/// # Errors
///
/// If the certificate cannot be created or written.
pub fn generate(folder: &Path) -> anyhow::Result<Certificate> {
    let generated =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])
            .context("cannot generate a certificate")?;
    let certificate =
        Certificate { chain: folder.join("certificate.pem"), key: folder.join("key.pem") };
    fs::write(&certificate.chain, generated.cert.pem())?;
    fs::write(&certificate.key, generated.signing_key.serialize_pem())?;
    Ok(certificate)
}

/// Returns a client configuration that trusts only the certificate in the PEM file at `path`: TLS
/// 1.3 with AES-128-GCM, so that no rival gains or loses by the cipher suite that it would choose.
///
/// # Errors
///
/// If the certificate cannot be read.
pub fn client_config(path: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let certificate = CertificateDer::from_pem_file(path)
        .with_context(|| format!("{} is no certificate", path.display()))?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let provider = CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..default_provider()
    };
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
