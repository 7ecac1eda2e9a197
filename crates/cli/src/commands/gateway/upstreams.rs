//! The upstreams of the flags.

use std::path::Path;
use std::str::FromStr;

use anyhow::Context;
use sockeye_gateway::catalog::{Descriptors, Source};
use sockeye_gateway::reflection::FileSet;
use sockeye_gateway::upstream::{
    HealthCheck, Upstream, UpstreamConfig, UpstreamTls, UpstreamUrl, UpstreamUrlError,
};

use super::GatewayArguments;
use crate::host::token::read;

/// The value of `--upstream`: `[SERVICE=]URL[,URL]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamArgument {
    service: Option<String>,
    /// At least one.
    urls: Vec<UpstreamUrl>,
}

impl FromStr for UpstreamArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (service, urls) = match text.split_once('=') {
            Some((service, urls)) if is_service(service) => (Some(service.to_owned()), urls),
            Some((service, _)) if !service.contains(':') => {
                return Err(format!(
                    "{service:?} is not the full name of a service; expected such as \
                     shop.v1.Cart=http://127.0.0.1:50051"
                ));
            }
            _ => (None, text),
        };
        let urls = urls.split(',').map(str::parse::<UpstreamUrl>).collect::<Result<_, _>>();
        let urls =
            urls.map_err(|error: UpstreamUrlError| format!("{error}; expected such as {EXAMPLE}"))?;
        Ok(Self { service, urls })
    }
}

/// An example of a URL, for messages.
const EXAMPLE: &str = "http://127.0.0.1:50051";

/// Returns whether a text has the form of `package.Service`.
fn is_service(text: &str) -> bool {
    let is_identifier = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    text.split('.').all(is_identifier)
}

/// Returns the sources of the gateway's services. Upstreams with the same URLs share connections.
///
/// # Errors
/// When a file cannot be used.
pub(crate) fn sources(arguments: &GatewayArguments) -> anyhow::Result<Vec<Source>> {
    let tls = tls(arguments)?;
    let descriptors = match &arguments.descriptor_set {
        Some(file) => Descriptors::Fixed(descriptor_set(file)?),
        None => Descriptors::Reflection,
    };
    let mut sources = Vec::new();
    for (urls, services) in groups(&arguments.upstream) {
        let mut urls = urls.iter().cloned();
        let Some(first) = urls.next() else { continue };
        let config = urls.fold(UpstreamConfig::new(first), UpstreamConfig::url).tls(tls.clone());
        let health_check = arguments.health_check.then(HealthCheck::new);
        let upstream = Upstream::new(config.health_check(health_check))
            .context("cannot use the certificates for the upstreams")?;
        let source = Source::new(upstream).descriptors(descriptors.clone());
        sources.push(if services.is_empty() { source } else { source.services(services) });
    }
    Ok(sources)
}

/// Returns the upstreams by their URLs, in the order of the flags, each with the services that it
/// is named for; none for all.
fn groups(upstreams: &[UpstreamArgument]) -> Vec<(&[UpstreamUrl], Vec<&str>)> {
    let mut groups: Vec<(&[UpstreamUrl], Vec<&str>)> = Vec::new();
    for UpstreamArgument { service, urls } in upstreams {
        let known = groups.iter_mut().find(|(known, services)| {
            *known == urls.as_slice() && services.is_empty() == service.is_none()
        });
        match (known, service) {
            (Some((_, services)), Some(service)) => services.push(service),
            (Some(_), None) => {}
            (None, service) => {
                groups.push((urls.as_slice(), service.iter().map(String::as_str).collect()));
            }
        }
    }
    groups
}

fn tls(arguments: &GatewayArguments) -> anyhow::Result<UpstreamTls> {
    let mut tls = UpstreamTls::new();
    if let Some(file) = &arguments.upstream_ca {
        tls = tls
            .root_certificates(read(file)?)
            .with_context(|| format!("cannot use the certificates in {}", file.display()))?;
    }
    if let (Some(cert), Some(key)) = (&arguments.upstream_cert, &arguments.upstream_key) {
        tls = tls.client_certificate(read(cert)?, read(key)?).with_context(|| {
            format!("cannot use {} with the key in {}", cert.display(), key.display())
        })?;
    }
    Ok(tls)
}

fn descriptor_set(file: &Path) -> anyhow::Result<FileSet> {
    FileSet::from_descriptor_set(read(file)?.into()).with_context(|| {
        format!(
            "cannot use the descriptors in {}; expected the output of protoc \
             --descriptor_set_out --include_imports",
            file.display()
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn parse(text: &str) -> UpstreamArgument {
        text.parse().unwrap()
    }

    #[test]
    fn an_upstream_may_be_named_for_a_service_and_have_several_addresses() {
        let one = parse("http://127.0.0.1:50051");
        assert_eq!((one.service, one.urls.len()), (None, 1));
        let two = parse("shop.v1.Cart=http://a:1,http://b:2");
        assert_eq!(two.service.as_deref(), Some("shop.v1.Cart"));
        assert_eq!(two.urls.len(), 2);
        #[cfg(unix)]
        assert_eq!(parse("unix:/run/a=b.sock").urls[0].to_string(), "unix:/run/a=b.sock");
    }

    #[test]
    fn a_wrong_upstream_says_what_is_expected_and_not_its_password() {
        for (text, part) in [
            ("127.0.0.1:50051", "http://127.0.0.1:50051"),
            ("", "http://127.0.0.1:50051"),
            ("grpc://host", "http://, https:// or unix:"),
            ("a..B=http://host", "full name of a service"),
            ("a.B=http://host/path", "ends after the port"),
            ("http://ada:secret@host", "no user or password"),
        ] {
            let error = text.parse::<UpstreamArgument>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn services_of_the_same_server_are_one_upstream() {
        let all = ["a.A=http://x", "http://x", "b.B=http://x", "http://x", "c.C=http://y"];
        let all = all.map(parse);
        let groups = groups(&all);
        let services: Vec<_> = groups.iter().map(|(_, services)| services.clone()).collect();
        assert_eq!(services, [vec!["a.A", "b.B"], vec![], vec!["c.C"]]);
    }
}
