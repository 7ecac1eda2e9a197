//! Documents that describe a catalog.

use std::sync::OnceLock;

use bytes::Bytes;

/// Documents that are written when a client first asks for them, and kept as long as the catalog.
///
/// Writing one takes time linear in the number of methods and types, on the thread of the request.
/// Requests that arrive meanwhile wait for it.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    openapi: OnceLock<Bytes>,
    services: OnceLock<Bytes>,
}

impl Documents {
    /// Returns the OpenAPI document.
    pub(crate) fn openapi(&self, write: impl FnOnce() -> Vec<u8>) -> Bytes {
        self.openapi.get_or_init(|| write().into()).clone()
    }

    /// Returns the services as the console reads them.
    pub(crate) fn services(&self, write: impl FnOnce() -> Vec<u8>) -> Bytes {
        self.services.get_or_init(|| write().into()).clone()
    }
}
