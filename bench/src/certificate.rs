//! A certificate for the servers of one race, trusted only by the driver of that race.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::mode::Certificate;

/// Creates a self-signed certificate for 127.0.0.1 and writes the certificate and its key to
/// `folder`.
///
/// # Errors
///
/// If the certificate cannot be created or written.
pub fn make(folder: &Path) -> anyhow::Result<Certificate> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])
        .context("a certificate cannot be made")?;
    let certificate =
        Certificate { chain: folder.join("certificate.pem"), key: folder.join("key.pem") };
    fs::write(&certificate.chain, made.cert.pem())?;
    fs::write(&certificate.key, made.signing_key.serialize_pem())?;
    Ok(certificate)
}
