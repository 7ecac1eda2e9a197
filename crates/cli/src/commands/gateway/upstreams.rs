//! The upstreams of the flags.

use std::path::Path;

use anyhow::Context;
use sockeye_gateway::catalog::{Descriptors, Source};
use sockeye_gateway::reflection::FileSet;
use sockeye_gateway::upstream::{HealthCheck, Upstream, UpstreamConfig, UpstreamTls, UpstreamUrl};

use super::GatewayArguments;
use super::upstream_argument::UpstreamArgument;
use crate::host::token::read;

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
    let set = FileSet::from_descriptor_set(read(file)?.into()).with_context(|| {
        format!(
            "cannot use the descriptors in {}; expected the output of protoc \
             --descriptor_set_out --include_imports",
            file.display()
        )
    })?;
    anyhow::ensure!(
        set.services().len() > 0,
        "the descriptors in {} define no service; name the files with the services when they are \
         made",
        file.display()
    );
    Ok(set)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn services_of_the_same_server_are_one_upstream() {
        let all = ["a.A=http://x", "http://x", "b.B=http://x", "http://x", "c.C=http://y"];
        let all = all.map(|text| text.parse::<UpstreamArgument>().unwrap());
        let groups = groups(&all);
        let services: Vec<_> = groups.iter().map(|(_, services)| services.clone()).collect();
        assert_eq!(services, [vec!["a.A", "b.B"], vec![], vec!["c.C"]]);
    }
}
