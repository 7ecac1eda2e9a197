//! The HTTP client of the exporters. Each export is a connection of its own, on the thread of the
//! exporter: there is one in some seconds.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tracing::warn;

use super::signal::Signal;
use crate::client::tls;
use crate::units::without_brackets;

/// Maximum length of a collector's answer, in bytes. Chosen: an answer is a number and a sentence.
const MAX_ANSWER: usize = 64 * 1024;

/// A client for one signal.
#[derive(Debug)]
pub(super) struct Client {
    /// Timeout of an export, from the connection to the answer.
    timeout: Duration,
    tls: Arc<ClientConfig>,
}

impl Client {
    /// Creates a client with the settings of the environment.
    ///
    /// # Errors
    /// When the timeout or the certificates cannot be used.
    pub(super) fn new(signal: Signal) -> anyhow::Result<Self> {
        let certificate = signal.certificate();
        let tls = tls::client_config(false, certificate.as_deref().map(AsRef::as_ref), None)?;
        Ok(Self { timeout: signal.timeout()?, tls: Arc::new(tls) })
    }

    async fn exchange(&self, request: Request<Bytes>) -> anyhow::Result<Response<Bytes>> {
        let uri = request.uri().clone();
        let host = uri.host().context("the address of the collector has no host")?;
        let host = without_brackets(host);
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => bail!("the address of the collector has neither http nor https"),
        };
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await?;
        if is_tls {
            let name = ServerName::try_from(host.to_owned())?;
            let connector = TlsConnector::from(Arc::clone(&self.tls));
            send(connector.connect(name, stream).await?, &uri, request).await
        } else {
            send(stream, &uri, request).await
        }
    }
}

async fn send<S>(stream: S, uri: &Uri, request: Request<Bytes>) -> anyhow::Result<Response<Bytes>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = request.map(Body::from);
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    // Without user and password, which belong into OTEL_EXPORTER_OTLP_HEADERS.
    let host = authority.rsplit('@').next().unwrap_or_default();
    request.headers_mut().insert(HOST, HeaderValue::from_str(host)?);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse()?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = to_bytes(Body::new(body), MAX_ANSWER).await?;
    Ok(Response::from_parts(head, body))
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The exporters call this on threads of their own, outside of the runtime of the program,
        // which has ended when the last of them comes.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let collector = request.uri().host().unwrap_or_default().to_owned();
        let answer = runtime.block_on(async {
            tokio::time::timeout(self.timeout, self.exchange(request))
                .await
                .unwrap_or_else(|_| bail!("no answer within {:?}", self.timeout))
        });
        if let Err(error) = &answer {
            // The exporter logs that it failed, without the cause.
            warn!(collector, "the collector cannot be reached: {error:#}");
        }
        answer.map_err(Into::into)
    }
}
