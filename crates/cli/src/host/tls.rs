//! TLS: the certificate and key are read from files, or generated at start.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{InconsistentKeys, ServerConfig};

use super::{Hosting, listen, validity};

/// The name of HTTP/2 in ALPN (RFC 9113, 3.2).
pub(crate) const HTTP2: &[u8] = b"h2";

/// The name in ALPN of the check that a name leads to this server (RFC 8737, 4).
pub(crate) const ACME: &[u8] = b"acme-tls/1";

/// Returns the TLS configuration that the flags request, or `None` if the server speaks plain HTTP.
/// `bound` is the listening address. Must be called within a Tokio runtime.
///
/// # Errors
/// A sentence that names the file, what was expected in it and what was found.
pub(crate) fn server_config(
    options: &Hosting,
    bound: SocketAddr,
) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    let config = match (&options.tls_cert, &options.tls_key) {
        (Some(cert), Some(key)) => from_files(cert, key)?,
        #[cfg(feature = "acme")]
        _ if options.acme.is_on() => options.acme.start()?,
        _ if options.self_signed => self_signed(&options.listen, bound)?,
        _ => return Ok(None),
    };
    Ok(Some(Arc::new(config)))
}

fn from_files(cert: &Path, key: &Path) -> anyhow::Result<ServerConfig> {
    let chain = read_chain(cert)?;
    if let Some(first) = chain.first() {
        validity::warn_unless_valid(first, cert);
    }
    configure(chain, read_key(key)?).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => anyhow::anyhow!(
            "the key in {} does not belong to the certificate in {}; expected the private key \
             of the first certificate there",
            key.display(),
            cert.display()
        ),
        error => anyhow::Error::new(error).context(format!(
            "cannot use the certificate in {} with the key in {}",
            cert.display(),
            key.display()
        )),
    })
}

/// Returns the DNS names of the certificate in a file, as host patterns.
///
/// # Errors
/// As [`server_config`], and when the certificate cannot be parsed.
pub(crate) fn dns_names(cert: &Path) -> anyhow::Result<Vec<String>> {
    let chain = read_chain(cert)?;
    let first = chain.first().context("no certificate")?;
    let parsed = webpki::EndEntityCert::try_from(first)
        .with_context(|| format!("cannot parse the certificate in {}", cert.display()))?;
    Ok(parsed.valid_dns_names().map(str::to_owned).collect())
}

fn self_signed(listen: &str, bound: SocketAddr) -> anyhow::Result<ServerConfig> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let others = listen::name(listen).map(str::to_owned).into_iter();
    for name in others.chain(listen::addresses(bound).iter().map(IpAddr::to_string)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let generated = rcgen::generate_simple_self_signed(names)
        .with_context(|| format!("cannot generate a certificate for {listen}"))?;
    let key = PrivatePkcs8KeyDer::from(generated.signing_key.serialize_der());
    configure(vec![generated.cert.der().clone()], key.into())
        .context("cannot use the generated certificate")
}

fn configure(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = protocols();
    Ok(config)
}

/// Returns the protocols of the server for ALPN.
pub(crate) fn protocols() -> Vec<Vec<u8>> {
    vec![HTTP2.to_vec(), b"http/1.1".to_vec()]
}

fn read_chain(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let file = path.display();
    let text = read(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid_pem(path, &error))?;
    if chain.is_empty() {
        let swapped = contains(&text, "PRIVATE KEY-----");
        let hint = if swapped {
            "; it holds a private key: are --tls-cert and --tls-key swapped?"
        } else {
            ""
        };
        bail!("{file} holds no certificate; expected PEM with -----BEGIN CERTIFICATE-----{hint}");
    }
    Ok(chain)
}

fn read_key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let file = path.display();
    let text = read(path)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) if contains(&text, "ENCRYPTED PRIVATE KEY-----") => bail!(
            "the key in {file} is encrypted; expected one without a passphrase, which \
             `openssl pkey -in {file} -out plain.pem` writes"
        ),
        Err(pem::Error::NoItemsFound) if contains(&text, "BEGIN CERTIFICATE-----") => bail!(
            "{file} holds no private key; it holds a certificate: \
             are --tls-cert and --tls-key swapped?"
        ),
        Err(pem::Error::NoItemsFound) => bail!(
            "{file} holds no private key; expected PEM with -----BEGIN PRIVATE KEY-----, \
             -----BEGIN RSA PRIVATE KEY----- or -----BEGIN EC PRIVATE KEY-----"
        ),
        Err(error) => Err(invalid_pem(path, &error)),
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn invalid_pem(path: &Path, error: &pem::Error) -> anyhow::Error {
    anyhow::anyhow!("{} is not valid PEM: {error}", path.display())
}

fn contains(text: &[u8], phrase: &str) -> bool {
    text.windows(phrase.len()).any(|window| window == phrase.as_bytes())
}
