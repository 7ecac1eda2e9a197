//! `--acme-domain` orders a certificate from an authority, which checks the name by TLS-ALPN-01.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::program::authority::Authority;
use crate::program::{Server, any_issuer, error_output};

const NAME: &str = "app.example.test";

/// Returns an empty folder for a test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn start(authority: &Authority, cache: &Path) -> Server {
    let (directory, certificate) = (authority.directory(), authority.certificate());
    Server::start(&[
        "--acme-domain",
        NAME,
        "--acme-cache",
        cache.to_str().unwrap(),
        "--acme-contact",
        "admin@example.test",
        "--acme-directory",
        &directory,
        "--acme-cacert",
        certificate.to_str().unwrap(),
    ])
}

async fn get(server: &Server, path: &str) -> String {
    let (config, _) = any_issuer::client_config();
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let name = NAME.try_into().unwrap();
    let mut stream = TlsConnector::from(config).connect(name, stream).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Returns whether the cache has a certificate under its name, which it gets when it is complete.
fn is_stored(cache: &Path) -> bool {
    let names = std::fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names = names.filter_map(|name| name.into_string().ok());
    names.any(|name| name.starts_with("certificate-") && !name.contains(".new-"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_ordered_stored_and_used_again() {
    let folder = folder("acme");
    let Some(authority) = Authority::prepare(&folder) else { return };
    let cache = folder.join("cache");
    let mut server = start(&authority, &cache);
    // Nothing listens at the directory yet. The order is repeated.
    server.wait_for("no new certificate for app.example.test: order: ");
    let (config, _) = any_issuer::client_config();
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let refused = TlsConnector::from(config).connect(NAME.try_into().unwrap(), stream).await;
    assert!(refused.is_err(), "there is no certificate yet");

    let port = server.address.rsplit(':').next().unwrap().parse().unwrap();
    let running = authority.start(port);
    server.wait_for("using a new certificate for app.example.test");
    let certificate = any_issuer::certificate(&server.address).await;
    let der = certificate.as_slice().into();
    let parsed = webpki::EndEntityCert::try_from(&der).unwrap();
    assert_eq!(parsed.valid_dns_names().collect::<Vec<_>>(), [NAME]);
    assert!(get(&server, "/healthz").await.starts_with("HTTP/1.1 200 "));
    // The name is that of a server for others, who need a token.
    assert!(get(&server, "/server.json").await.contains("\"hub\":\"off\""));

    // Outside of a check there is no certificate for the protocol of checks.
    let (config, _) = any_issuer::client_config();
    let mut config = rustls::ClientConfig::clone(&config);
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let check = TlsConnector::from(Arc::new(config)).connect(NAME.try_into().unwrap(), stream);
    assert!(check.await.is_err());

    // The certificate is stored once it is in use.
    while !is_stored(&cache) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop((server, running));
    let mut server = start(&authority, &cache);
    server.wait_for("using the stored certificate for app.example.test");
    assert_eq!(any_issuer::certificate(&server.address).await, certificate);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&cache), 0o700);
        let files: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|it| it.unwrap()).collect();
        assert_eq!(files.len(), 2, "the account and the certificate: {files:?}");
        assert!(files.iter().all(|file| mode(&file.path()) == 0o600));
    }
}

#[test]
fn flags_that_cannot_be_used_together_are_explained() {
    let serve = |flags: &[&str]| {
        let flags = [&["serve", "--listen", "127.0.0.1:0"], flags].concat();
        error_output(&flags)
    };
    for (flags, problem) in [
        (&["--acme-domain", "a.test"][..], "--acme-cache"),
        (&["--acme-domain", "*.a.test", "--acme-cache", "c"], "expected a name such as"),
        (&["--acme-domain", "127.0.0.1", "--acme-cache", "c"], "expected a name such as"),
        (&["--acme-domain", "a.test", "--acme-cache", "c", "--self-signed"], "--self-signed"),
        (&["--acme-cache", "c"], "--acme-domain"),
        (&["--acme-domain", "a.test", "--acme-cache", "/proc/c"], "cannot create the folder"),
    ] {
        let error = serve(flags);
        assert!(error.contains(problem), "{flags:?}: {error}");
    }
}
