//! Every error about a wrong TLS file names the file and its expected content.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::program;
use std::path::PathBuf;

/// A folder of certificates and keys, removed at the end of the test.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("sockeye-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes a certificate for localhost and its key.
    fn pair(&self, name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (
            self.write(&format!("{name}-cert.pem"), &made.cert.pem()),
            self.write(&format!("{name}-key.pem"), &made.signing_key.serialize_pem()),
        )
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn error_output(cert: &str, key: &str) -> String {
    program::error_output(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        cert,
        "--tls-key",
        key,
    ])
}

#[test]
fn a_missing_file_is_named() {
    let files = Files::new("missing");
    let (cert, _) = files.pair("one");
    let key = files.0.join("nowhere.pem").to_str().unwrap().to_owned();
    assert!(error_output(&cert, &key).starts_with(&format!("sockeye: cannot read {key}: ")));
    assert!(error_output(&key, &cert).starts_with(&format!("sockeye: cannot read {key}: ")));
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let files = Files::new("mismatch");
    let ((cert, _), (_, key)) = (files.pair("one"), files.pair("two"));
    let error_output = error_output(&cert, &key);
    assert_eq!(
        error_output,
        format!(
            "sockeye: the key in {key} does not belong to the certificate in {cert}; \
             expected the private key of the first certificate there\n"
        )
    );
}

#[test]
fn swapped_files_are_recognised() {
    let files = Files::new("swapped");
    let (cert, key) = files.pair("one");
    assert!(error_output(&key, &cert).contains("are --tls-cert and --tls-key swapped?"));
    assert!(error_output(&cert, &cert).contains("are --tls-cert and --tls-key swapped?"));
}

#[test]
fn an_error_for_a_file_without_pem_names_the_expected_header() {
    let files = Files::new("prose");
    let (cert, key) = files.pair("one");
    let prose = files.write("prose.pem", "not a certificate\n");
    let without_certificate = error_output(&prose, &key);
    assert!(without_certificate.contains(&prose), "{without_certificate}");
    assert!(without_certificate.contains("-----BEGIN CERTIFICATE-----"), "{without_certificate}");
    let without_key = error_output(&cert, &prose);
    assert!(without_key.contains(&prose), "{without_key}");
    assert!(without_key.contains("-----BEGIN PRIVATE KEY-----"), "{without_key}");
}

#[test]
fn an_expired_certificate_is_used_with_a_warning() {
    let files = Files::new("expired");
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2026, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = files.write("cert.pem", &params.self_signed(&key).unwrap().pem());
    let key = files.write("key.pem", &key.serialize_pem());
    let mut server = program::Server::start(&["--tls-cert", &cert, "--tls-key", &key]);
    server.wait_for(&format!("the certificate in {cert} expired "));
}

#[test]
fn a_certificate_cut_short_is_refused() {
    let files = Files::new("cut");
    let (cert, key) = files.pair("one");
    let whole = std::fs::read_to_string(&cert).unwrap();
    let cut = files.write("cut.pem", &whole[..whole.len() / 2]);
    assert!(error_output(&cut, &key).contains(&cut));
}
