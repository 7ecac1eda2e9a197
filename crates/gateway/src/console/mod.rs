//! The console: a page on which people call the services.
//!
//! The page is static, in `console/` of this crate, and reads two documents: the services with
//! their types, which depend on the catalog only, and the state of the gateway. It calls methods as
//! every other page does.

mod assets;
mod example;
mod services;

use serde::Serialize;

use crate::catalog::{Catalog, SourceState};

pub(crate) use assets::{Asset, asset};

/// The folder of the page.
pub(crate) const FOLDER: &str = "/console/";

/// Returns the services and their types as JSON.
pub(crate) fn services(catalog: &Catalog) -> Vec<u8> {
    services::document(catalog)
}

/// Returns the state of the gateway as JSON: its version, whether it serves an OpenAPI document,
/// and why services could not be learned.
pub(crate) fn state(sources: &[SourceState], openapi: bool) -> Vec<u8> {
    #[derive(Serialize)]
    struct State<'s> {
        version: &'static str,
        openapi: bool,
        problems: Vec<&'s str>,
    }

    let problems = sources.iter().filter_map(|source| source.problem.as_deref()).collect();
    let state = State { version: env!("CARGO_PKG_VERSION"), openapi, problems };
    // Text can always be written.
    serde_json::to_vec(&state).unwrap_or_default()
}
