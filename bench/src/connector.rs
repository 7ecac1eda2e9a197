//! Connector of the driver: TCP, TLS if the load has a certificate, and the opening handshake.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::cycle::Wire;
use crate::handshake;
use crate::load::{Load, LoadError, STALL};
use crate::transport::Transport;

/// Opens any number of connections with the settings of one load.
#[derive(Debug)]
pub(crate) struct Connector<'a> {
    load: &'a Load,
    tls: Option<Arc<ClientConfig>>,
}

impl<'a> Connector<'a> {
    /// Reads the certificate, if the load has one.
    pub(crate) fn new(load: &'a Load) -> Result<Self, LoadError> {
        let tls = load.certificate.as_deref().map(configure).transpose()?.map(Arc::new);
        Ok(Self { load, tls })
    }

    /// Opens an upgraded connection from any local address. Its socket is blocking and has a
    /// timeout.
    pub(crate) fn connect(&self) -> Result<Transport, LoadError> {
        self.upgrade(TcpStream::connect(self.load.address)?)
    }

    /// Opens a connection as [`Connector::connect`] does, from the local address `source`.
    pub(crate) fn connect_from(&self, source: Ipv4Addr) -> Result<Transport, LoadError> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddr::new(IpAddr::V4(source), 0))?;
        connect(&socket, &self.load.address)?;
        self.upgrade(TcpStream::from(socket))
    }

    fn upgrade(&self, tcp: TcpStream) -> Result<Transport, LoadError> {
        let load = self.load;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(STALL))?;
        let mut transport = match &self.tls {
            None => Transport::Plain(tcp),
            Some(config) => {
                let name = ServerName::IpAddress(load.address.ip().into());
                let session =
                    ClientConnection::new(Arc::clone(config), name).map_err(LoadError::Tls)?;
                Transport::tls(session, tcp)
            }
        };
        if load.wire == Wire::WebSocket {
            let host = load.address.to_string();
            handshake::upgrade(&mut transport, &host, &load.path, load.deflate)?;
        }
        Ok(transport)
    }
}

/// Builds a client configuration with TLS 1.3 and AES-128-GCM only, so that no rival gains or loses
/// by the cipher suite it would choose.
fn configure(certificate: &Path) -> Result<ClientConfig, LoadError> {
    let pem = fs::read(certificate)?;
    let certificate = CertificateDer::from_pem_slice(&pem)
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(LoadError::Tls)?;
    let provider = CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..default_provider()
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(LoadError::Tls)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
