//! A TLS client that trusts any certificate.

use std::sync::{Arc, Mutex};

use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

/// A verifier that trusts any issuer, like a browser whose user ignores the warning, and stores the
/// certificate.
#[derive(Debug)]
pub(crate) struct TrustAnyIssuer {
    provider: CryptoProvider,
    pub(crate) certificate: Mutex<Option<CertificateDer<'static>>>,
}

impl ServerCertVerifier for TrustAnyIssuer {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.certificate.lock().expect("no other thread holds it") =
            Some(certificate.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Returns a configuration that trusts any certificate, and the verifier that stores it.
pub(crate) fn client_config() -> (Arc<ClientConfig>, Arc<TrustAnyIssuer>) {
    let provider = ring::default_provider();
    let verifier =
        Arc::new(TrustAnyIssuer { provider: provider.clone(), certificate: Mutex::new(None) });
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as _)
        .with_no_client_auth();
    (Arc::new(config), verifier)
}

/// Returns the certificate that a server presents.
pub(crate) async fn certificate(address: &str) -> Vec<u8> {
    let (config, verifier) = client_config();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(config);
    let _stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let certificate = verifier.certificate.lock().unwrap();
    certificate.as_ref().unwrap().as_ref().to_vec()
}
