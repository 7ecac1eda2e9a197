//! The messages for operators about the services of the upstreams.

use std::collections::HashMap;

use sockeye_gateway::Gateway;
use sockeye_gateway::catalog::SourceState;
use tracing::{debug, info, warn};

/// Logs the services that were found, and their routes with `-v`. `selectors` are the names of
/// methods in the file of `--rules`.
pub(crate) fn log_services(gateway: &Gateway, selectors: &[String]) {
    let catalog = gateway.catalog();
    let mut routes: HashMap<&str, usize> = HashMap::new();
    for route in catalog.router().routes() {
        let method = &route.value().method;
        debug!("{} {} calls {}", route.kind(), route.template(), method.path());
        *routes.entry(method.service_name()).or_default() += 1;
    }
    for source in gateway.sources() {
        log_source(&source, &routes);
    }
    for selector in selectors {
        let is_known = selector.rsplit_once('.').is_some_and(|(service, method)| {
            catalog.method(&format!("/{service}/{method}")).is_some()
        });
        if !is_known {
            warn!("the rules of --rules for {selector} are not used: no upstream has that method");
        }
    }
}

fn log_source(source: &SourceState, routes: &HashMap<&str, usize>) {
    let urls = &source.upstream;
    for conflict in &source.conflicts {
        warn!("{urls}: {conflict}");
    }
    let Some(schema) = &source.schema else {
        let problem = source.problem.as_deref().unwrap_or("the server was not asked");
        warn!("{urls}: no services yet: {problem}; the server is asked again until it answers");
        return;
    };
    for service in schema.services() {
        let methods = schema.pool().find_service(service).map_or(0, |found| found.methods.len());
        let routes = routes.get(service.as_str()).copied().unwrap_or_default();
        info!("{urls}: {service}: {}, {}", counted(methods, "method"), counted(routes, "route"));
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
