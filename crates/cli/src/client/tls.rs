//! TLS of clients: the certificates that are trusted, and the client's own.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::Failure;

/// The hint for a server that answered the TLS handshake with something else.
pub(crate) const NO_TLS: &str = "does the server speak TLS? Without TLS, the URL begins with ws://";

/// Returns whether the peer answered the TLS handshake with something else than TLS.
pub(crate) fn is_no_tls(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidMessage(_)))
}

/// Returns the configuration that [`verification`] describes, without protocols for ALPN. `own` are
/// the files of the client's certificate and of its key.
///
/// # Errors
/// A usage failure that names the file and what was expected in it.
pub(crate) fn client_config(
    insecure: bool,
    cacert: Option<&Path>,
    own: Option<(&Path, &Path)>,
) -> Result<ClientConfig, Failure> {
    let builder = verification(insecure, cacert)?;
    let Some((cert, key)) = own else { return Ok(builder.with_no_client_auth()) };
    let unusable = |error: rustls::Error| {
        let (cert, key) = (cert.display(), key.display());
        Failure::usage(format!(
            "cannot use the certificate in {cert} with the key in {key}: {error}"
        ))
    };
    builder.with_client_auth_cert(certificates(cert)?, private_key(key)?).map_err(unusable)
}

/// Returns a configuration that trusts the certificates of the file `cacert`, or those of
/// webpki-roots, or any if `insecure`.
///
/// # Errors
/// A usage failure that names the file and what was expected in it.
fn verification(
    insecure: bool,
    cacert: Option<&Path>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Failure> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::other(format!("TLS cannot be set up: {error}")))?;
    Ok(if insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate { provider }))
    } else {
        builder.with_root_certificates(roots(cacert)?)
    })
}

/// Returns the roots of a file, or those of webpki-roots.
fn roots(file: Option<&Path>) -> Result<RootCertStore, Failure> {
    let Some(file) = file else {
        return Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| {
            Failure::usage(format!("a certificate in {} is no root: {error}", file.display()))
        })?;
    }
    Ok(roots)
}

/// Returns the certificates of a file, one at least.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(file)?)
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::usage(format!("{} is not valid PEM: {error}", file.display())))?;
    if certificates.is_empty() {
        return Err(Failure::usage(format!(
            "{} holds no certificate; expected PEM with -----BEGIN CERTIFICATE-----",
            file.display()
        )));
    }
    Ok(certificates)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| {
        let file = file.display();
        Failure::usage(format!("{file} holds no private key without a passphrase in PEM: {error}"))
    })
}

/// Returns the content of a file.
///
/// # Errors
/// A usage failure that names the file.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))
}

/// A verifier that accepts any certificate, for `--insecure`. It checks only that the server has
/// the key of the certificate.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
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
