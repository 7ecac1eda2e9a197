//! The methods of all upstreams, and the tasks that keep them current.
//!
//! ```text
//!   Source (an upstream) ─ reflection or a file ─► FileSet ─► Schema ─┐
//!   Source (another one) ─────────────────────────────────► Schema ──┴─► Catalog ─► calls
//! ```
//!
//! Each upstream has a pool of its own, so that a file of the same name may have other content on
//! another upstream. A [`Catalog`] is immutable. A new one replaces it at once, and calls in
//! progress keep theirs. A set of descriptors that cannot be used leaves the old one in place.

mod build;
mod conflict;
mod documents;
mod refresh;
mod routes;
mod schema;
mod source;
pub(crate) mod types;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::uri::PathAndQuery;

use crate::descriptor::{Idempotency, MessageId, Method, Pool, Service};
use crate::route::Router;
use crate::upstream::Upstream;

pub use conflict::{RouteConflict, RouteConflicts};
pub(crate) use documents::Documents;
pub(crate) use refresh::Catalogs;
pub use routes::{RouteBody, RouteTarget};
pub use schema::Schema;
pub use source::{Descriptors, Source, SourceState};

/// The methods of all upstreams at one moment.
#[derive(Default)]
pub struct Catalog {
    /// By `package.Service/Method`.
    methods: HashMap<Box<str>, Arc<MethodEntry>>,
    /// By full name: also services whose methods are unknown.
    services: HashMap<Box<str>, ServiceOwner>,
    /// The upstream of all other services.
    fallback: Option<Upstream>,
    router: Router<RouteTarget>,
    conflicts: Vec<RouteConflict>,
    /// The types of all upstreams that are known, in the order of the upstreams.
    schemas: Vec<Arc<Schema>>,
    /// `true` if there is one upstream, which has server reflection.
    passes_reflection: bool,
    /// Number of the catalog among those since the start.
    generation: u64,
    documents: Documents,
}

/// The upstream of a service.
struct ServiceOwner {
    upstream: Upstream,
    schema: Option<Arc<Schema>>,
}

/// A method and its upstream.
pub struct MethodEntry {
    path: PathAndQuery,
    upstream: Upstream,
    schema: Arc<Schema>,
    /// Places in the schema's pool.
    service: usize,
    method: usize,
    /// The generation of the catalog that had the method first.
    since: u64,
}

impl Catalog {
    /// Finds a method by the path of its calls: `/package.Service/Method`.
    pub fn method(&self, path: &str) -> Option<&Arc<MethodEntry>> {
        self.methods.get(path.strip_prefix('/')?)
    }

    /// Returns all methods, in no order.
    pub fn methods(&self) -> impl ExactSizeIterator<Item = &Arc<MethodEntry>> {
        self.methods.values()
    }

    /// Returns all methods by service, in the order of their declarations.
    pub(crate) fn methods_in_order(&self) -> Vec<&Arc<MethodEntry>> {
        let mut methods: Vec<_> = self.methods.values().collect();
        methods.sort_unstable_by_key(|method| (method.service_name(), method.method));
        methods
    }

    /// Returns the documents that describe this catalog.
    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Returns the upstream of a native call, by the path. Services that no upstream describes go
    /// to the first upstream that has no list of services.
    pub fn upstream(&self, path: &str) -> Option<&Upstream> {
        let (service, _method) = path.strip_prefix('/')?.split_once('/')?;
        let owner = self.services.get(service).map(|owner| &owner.upstream);
        owner.or(self.fallback.as_ref())
    }

    /// Returns the routes of JSON over HTTP.
    pub fn router(&self) -> &Router<RouteTarget> {
        &self.router
    }

    /// Returns the HTTP rules that are left out, because others lead the same requests elsewhere.
    pub fn conflicts(&self) -> &[RouteConflict] {
        &self.conflicts
    }

    /// Returns the full names of all services that upstreams are known for, in order.
    pub fn services(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.services.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// Reports whether an upstream is named for the service of a path, rather than that calls to it
    /// go to the first.
    pub(crate) fn has_owner(&self, path: &str) -> bool {
        let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        service.is_some_and(|(service, _)| self.services.contains_key(service))
    }

    /// Returns the types of the upstream that serves a service, if they are known.
    pub(crate) fn schema_of(&self, service: &str) -> Option<&Arc<Schema>> {
        self.services.get(service)?.schema.as_ref()
    }

    /// Returns the types of all upstreams that are known.
    pub(crate) fn schemas(&self) -> &[Arc<Schema>] {
        &self.schemas
    }

    /// Reports whether calls of server reflection can pass to the upstream: there is one, and its
    /// services were learned by reflection.
    pub(crate) fn passes_reflection(&self) -> bool {
        self.passes_reflection
    }
}

impl MethodEntry {
    /// Returns the path of calls: `/package.Service/Method`.
    pub fn path(&self) -> &PathAndQuery {
        &self.path
    }

    /// Returns the upstream that serves the method.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Returns the types of the upstream.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Returns the descriptor.
    pub fn descriptor(&self) -> &Method {
        &self.service().methods[self.method]
    }

    /// Returns the descriptor of the service.
    pub(crate) fn service(&self) -> &Service {
        &self.pool().services()[self.service]
    }

    /// Returns the full name of the service.
    pub fn service_name(&self) -> &str {
        &self.service().full_name
    }

    /// Returns the type of requests.
    pub fn input(&self) -> MessageId {
        self.descriptor().input
    }

    /// Returns the type of responses.
    pub fn output(&self) -> MessageId {
        self.descriptor().output
    }

    /// Returns whether a call may be repeated.
    pub fn is_idempotent(&self) -> bool {
        self.descriptor().idempotency != Idempotency::Unknown
    }

    /// Returns whether a call only reads, so that `GET` may make it.
    pub fn is_safe(&self) -> bool {
        self.descriptor().idempotency == Idempotency::NoSideEffects
    }

    fn pool(&self) -> &Pool {
        self.schema.pool()
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("methods", &self.methods.len())
            .field("services", &self.services.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MethodEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodEntry").field("path", &self.path).finish_non_exhaustive()
    }
}
