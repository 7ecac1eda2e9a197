//! Building of a catalog from the types of all upstreams.

use std::collections::HashMap;
use std::sync::Arc;

use http::uri::PathAndQuery;

use super::{Catalog, Descriptors, MethodEntry, Schema, ServiceOwner, Source, routes};
use crate::route::RouterOptions;
use crate::rules::RuleFile;

/// Builds the catalog of these sources, each with its types if they are known.
///
/// Of several sources that offer a service, the first that lists it explicitly wins, and else the
/// first. Where several methods have a route, the one that has been in catalogs for longest wins.
/// Until the catalog is settled, all methods count as equally old, so that the order in which the
/// upstreams answer does not matter.
pub(super) fn build(
    sources: &[Source],
    schemas: &[Option<Arc<Schema>>],
    rules: Option<&RuleFile>,
    router: RouterOptions,
    previous: &Catalog,
    is_settled: bool,
) -> Catalog {
    let mut owners: HashMap<&str, usize> = HashMap::new();
    for (index, source) in sources.iter().enumerate() {
        for service in source.services.iter().flatten() {
            owners.entry(service).or_insert(index);
        }
    }
    for (index, (source, schema)) in sources.iter().zip(schemas).enumerate() {
        let Some(schema) = schema.as_ref().filter(|_| source.services.is_none()) else { continue };
        for service in schema.services() {
            let owner = *owners.entry(service).or_insert(index);
            if owner != index {
                tracing::debug!(service, "several upstreams offer a service; the first is used");
            }
        }
    }
    let mut catalog = Catalog {
        fallback: sources
            .iter()
            .find(|source| source.services.is_none())
            .map(|source| source.upstream.clone()),
        schemas: schemas.iter().flatten().cloned().collect(),
        passes_reflection: matches!(sources, [Source { descriptors: Descriptors::Reflection, .. }]),
        generation: if is_settled { previous.generation + 1 } else { 0 },
        ..Catalog::default()
    };
    for (service, index) in owners {
        let owner = ServiceOwner {
            upstream: sources[index].upstream.clone(),
            schema: schemas[index].clone(),
        };
        catalog.services.insert(service.into(), owner);
        if let Some(schema) = &schemas[index] {
            add_methods(&mut catalog, service, &sources[index], schema, previous);
        }
    }
    // In order, so that the same routes win after each refresh.
    let mut methods: Vec<_> = catalog.methods.values().collect();
    methods.sort_unstable_by_key(|method| (method.since, method.path.as_str()));
    let built = routes::build(methods.into_iter(), rules, router);
    (catalog.router, catalog.conflicts) = (built.router, built.conflicts);
    catalog
}

fn add_methods(
    catalog: &mut Catalog,
    service: &str,
    source: &Source,
    schema: &Arc<Schema>,
    previous: &Catalog,
) {
    let services = schema.pool().services();
    let Some(place) = services.iter().position(|known| known.full_name == service) else {
        tracing::warn!(service, "the descriptors of the upstream do not have a service");
        return;
    };
    for (method, descriptor) in services[place].methods.iter().enumerate() {
        let name = format!("{service}/{}", descriptor.name);
        // Names of services and methods are identifiers.
        let Ok(path) = format!("/{name}").parse::<PathAndQuery>() else { continue };
        let entry = MethodEntry {
            path,
            upstream: source.upstream.clone(),
            schema: Arc::clone(schema),
            service: place,
            method,
            since: previous.methods.get(&*name).map_or(catalog.generation, |known| known.since),
        };
        catalog.methods.insert(name.into(), Arc::new(entry));
    }
}
