//! The route to a URL's host: directly, or through a proxy.

use std::sync::Arc;

use sockeye_proto::handshake::Url;
use tokio::net::TcpStream;

use super::environment::Environment;
use super::{Protocol, Proxy, http_connect, socks};
use crate::client::{Client, ConnectError, Stage, StageTimer, eyeballs};

/// The rule that selects a proxy, if any.
#[derive(Clone, Debug, Default)]
pub(in crate::client) enum Route {
    #[default]
    Direct,
    Proxy(Proxy),
    Environment(Arc<Environment>),
}

impl Route {
    fn proxy(&self, url: &Url) -> Result<Option<&Proxy>, ConnectError> {
        match self {
            Self::Direct => Ok(None),
            Self::Proxy(proxy) => Ok(Some(proxy)),
            Self::Environment(environment) => environment.proxy(url),
        }
    }
}

impl Client {
    /// Returns a stream to the URL's host, through the proxy of the route if there is one, that
    /// begins with the PROXY header if the client sends one.
    pub(in crate::client) async fn dial(
        &self,
        url: &Url,
        stage_timer: &StageTimer,
    ) -> Result<TcpStream, ConnectError> {
        let mut stream = self.dial_route(url, stage_timer).await?;
        if let Some(announcement) = self.announcement {
            announcement.write(&mut stream).await.map_err(ConnectError::Io)?;
        }
        Ok(stream)
    }

    async fn dial_route(
        &self,
        url: &Url,
        stage_timer: &StageTimer,
    ) -> Result<TcpStream, ConnectError> {
        let Some(proxy) = self.route.proxy(url)? else {
            if let Some(addresses) = self.resolved.find(url) {
                return eyeballs::dial_addresses(url.host(), url.port(), addresses, stage_timer)
                    .await;
            }
            // Only the system's resolver can map the zone of an address.
            let scoped = url.zone().map(|zone| format!("{}%{zone}", url.host()));
            let host = scoped.as_deref().unwrap_or(url.host());
            return eyeballs::dial(host, url.port(), stage_timer).await;
        };
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.1
        //# If the client is configured to use a proxy when using the
        //# WebSocket Protocol to connect to host /host/ and port /port/,
        //# then the client SHOULD connect to that proxy and ask it to open a
        //# TCP connection to the host given by /host/ and the port given by
        //# /port/.
        let mut stream = eyeballs::dial(proxy.host(), proxy.port(), stage_timer).await?;
        let credentials = proxy.credentials.as_ref();
        let tunnel = async {
            let connected = match proxy.protocol {
                Protocol::Http => {
                    http_connect::connect(&mut stream, url, credentials, self.head_limits).await
                }
                Protocol::Socks5 => socks::connect(&mut stream, url, credentials).await,
            };
            connected.map_err(|source| ConnectError::Proxy { proxy: proxy.authority(), source })
        };
        stage_timer.watch(Stage::Proxy, tunnel).await?;
        Ok(stream)
    }
}
