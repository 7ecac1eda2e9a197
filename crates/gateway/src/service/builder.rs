//! The settings of a gateway.

use std::sync::Arc;
use std::time::Duration;

use sockeye::MemoryBudget;
use sockeye::resume::Limits;
use sockeye::upgrade::{OriginPolicy, TrustedProxies};
use tokio::sync::Semaphore;

use super::Gateway;
use super::inner::Inner;
use super::lifecycle::Lifecycle;
use super::packet_routes::PacketRoutes;
use super::settings::{SessionSettings, Settings};
use crate::auth::Authorizer;
use crate::catalog::{Catalogs, RouteConflicts, Source};
use crate::deadline::TimeoutLimits;
use crate::metadata::MetadataPolicy;
use crate::rate_limit::{RateLimit, RateLimiter};
use crate::record::CallRecord;
use crate::route::RouterOptions;
use crate::rules::RuleFile;
use crate::transcode::{ParseOptions, PrintOptions};
use crate::upstream::Upstream;

/// Default maximum number of calls in progress. Chosen: with the default windows, streams whose
/// clients do not read hold 2.5 GiB at most, beside the messages that the memory budget bounds.
const DEFAULT_MAX_CALLS: usize = 10_000;

/// The settings of a [`Gateway`].
#[derive(Debug)]
pub struct Builder {
    sources: Vec<Source>,
    settings: Settings,
    rules: Option<RuleFile>,
    router: RouterOptions,
    max_calls: usize,
    rate_limit: Option<RateLimit>,
}

impl Gateway {
    /// Returns the settings of a new gateway.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Replaces the settings and the upstreams. Calls in progress keep theirs. New calls use the
    /// old ones until each new upstream was asked for its services; one that cannot be reached
    /// offers the services that an old upstream with the same URLs had.
    ///
    /// # Errors
    /// [`RouteConflicts`] as for [`ready`](Self::ready). The old settings stay in use.
    ///
    /// # Cancel safety
    /// If the future is dropped, the old settings stay in use.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub async fn reload(&self, builder: Builder) -> Result<(), RouteConflicts> {
        let lifecycle = Arc::clone(self.shared.lifecycle());
        let old = self.current();
        let new = builder.budget_of(&old.settings).start(lifecycle, Some(&old.catalogs));
        new.catalogs.ready().await;
        RouteConflicts::check(new.catalogs.current().conflicts())?;
        self.shared.replace(Arc::new(new));
        Ok(())
    }
}

impl Builder {
    fn new() -> Self {
        Self {
            sources: Vec::new(),
            settings: Settings::default(),
            rules: None,
            router: RouterOptions::default(),
            max_calls: DEFAULT_MAX_CALLS,
            rate_limit: None,
        }
    }

    /// Adds an upstream, whose services are learned by reflection.
    pub fn upstream(self, upstream: Upstream) -> Self {
        self.source(Source::new(upstream))
    }

    /// Adds an upstream with a list of services, or with descriptors from a file.
    pub fn source(mut self, source: Source) -> Self {
        self.sources.push(source);
        self
    }

    /// Sets the HTTP rules of a file. They take precedence over annotations. Default: none.
    pub fn rules(self, rules: RuleFile) -> Self {
        Self { rules: Some(rules), ..self }
    }

    /// Sets how paths are matched. Default: [`RouterOptions::default`].
    pub fn router(self, router: RouterOptions) -> Self {
        Self { router, ..self }
    }

    /// Sets which headers pass, in both directions. Default: [`MetadataPolicy::default`].
    pub fn metadata(mut self, metadata: MetadataPolicy) -> Self {
        self.settings.metadata = metadata;
        self
    }

    /// Sets the origins whose pages may call, in every dialect. Default: the gateway's own origin.
    /// A request without `Origin` is accepted, unless its `Sec-Fetch-Site` is `cross-site` or
    /// `same-site`: then a page of another origin embeds the route or links to it.
    pub fn origins(mut self, origins: OriginPolicy) -> Self {
        self.settings.origins = origins;
        self
    }

    /// Sets the proxies whose headers `x-forwarded-*` are passed on. Requests need the extension
    /// [`PeerAddr`](sockeye::upgrade::PeerAddr). Default: none.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.settings.proxies = proxies;
        self
    }

    /// Sets the maximum length of a message, in bytes, in both directions and in each of its forms.
    /// Default: 4 MiB. A longer one ends its call as `resource_exhausted`.
    pub fn max_message_length(mut self, bytes: u32) -> Self {
        self.settings.max_message_length = bytes;
        self
    }

    /// Sets the timeout of calls that request none, and the maximum of all timeouts. Default: no
    /// limits.
    pub fn timeouts(mut self, limits: TimeoutLimits) -> Self {
        self.settings.timeouts = limits;
        self
    }

    /// Sets how many calls may be in progress. Further calls fail as `unavailable`. Default:
    /// 10,000.
    pub fn max_calls(self, calls: usize) -> Self {
        Self { max_calls: calls, ..self }
    }

    /// Sets whether `/console/` is a page on which people call the services. Only pages of the
    /// gateway's own origin can read it. Default: `false`.
    ///
    /// The page shows all services and types, and why services could not be learned, to all clients
    /// that can reach the gateway.
    pub fn console(mut self, console: bool) -> Self {
        self.settings.documents.console = console;
        self
    }

    /// Sets whether `/openapi.json` describes the JSON over HTTP in OpenAPI 3.1. The document
    /// follows the services as they change. Default: `false`.
    pub fn openapi(mut self, openapi: bool) -> Self {
        self.settings.documents.openapi = openapi;
        self
    }

    /// Sets how JSON is read. Default: [`ParseOptions::default`].
    pub fn parse_options(mut self, options: ParseOptions) -> Self {
        self.settings.parse = options;
        self
    }

    /// Sets how JSON is written. Default: [`PrintOptions::rest`]. Connect's JSON is always
    /// protobuf's default.
    pub fn print_options(mut self, options: PrintOptions) -> Self {
        self.settings.print = options;
        self
    }

    /// Sets whether streams of JSON over HTTP are arrays, rather than lines, for clients that
    /// accept neither `application/x-ndjson` nor `text/event-stream`. Default: `false`.
    pub fn array_streams(mut self, arrays: bool) -> Self {
        self.settings.array_streams = arrays;
        self
    }

    /// Sets the path of tunnels: WebSockets with HTTP/2 in binary messages, as the crate
    /// `sockeye-grpc` speaks it natively and in browsers. Default: none.
    pub fn tunnel_path(mut self, path: &str) -> Self {
        self.settings.dispatch.tunnel_path = Some(path.into());
        self
    }

    /// Lets tunnels outlive their WebSocket, for clients that offer the subprotocol
    /// [`sockeye.resume.v1`](sockeye::resume): their calls go on when the WebSocket is lost. Default:
    /// none, and the gateway does not choose that subprotocol.
    ///
    /// A session belongs to the client's token and to the owner: the header `Origin`, and the
    /// credentials of the request that opens the WebSocket, which are the header `Authorization`,
    /// the [token cookie](Self::token_cookie) or the subprotocols `Bearer, TOKEN`. At most
    /// `max_sessions` sessions are kept, which have a memory budget of 256 MiB together. Sessions
    /// are in the memory of this gateway: another process does not continue them.
    pub fn tunnel_sessions(mut self, limits: Limits, max_sessions: usize) -> Self {
        self.settings.sockets.sessions = Some(SessionSettings { limits, max_sessions });
        self
    }

    /// Sets the methods that packets on WebSockets call. Default: none.
    pub fn packets(mut self, routes: PacketRoutes) -> Self {
        self.settings.dispatch.packet_path = Some(routes.path().into());
        self.settings.sockets.packets = Some(Arc::new(routes));
        self
    }

    /// Sets the limits and timeouts of WebSockets. Default: [`sockeye::Config::new`]. The maximum
    /// length of their messages is always that of the gateway's, and 64 KiB for what is around
    /// them.
    pub fn websocket_config(mut self, config: sockeye::Config) -> Self {
        self.settings.sockets.config = config;
        self
    }

    /// Sets how many calls may be in progress on one WebSocket, where it has many. Further calls
    /// fail as `resource_exhausted`; those in a tunnel wait at the client. Default: 100.
    pub fn max_calls_per_socket(mut self, calls: u32) -> Self {
        self.settings.sockets.max_calls = calls;
        self
    }

    /// Takes the token of calls on WebSockets with JSON from a cookie, before that of the
    /// subprotocols `Bearer, TOKEN`. Default: no cookie, as browsers send cookies with every
    /// request: only the check of origins then tells pages apart.
    pub fn token_cookie(mut self, name: &str) -> Self {
        self.settings.sockets.token_cookie = Some(name.into());
        self
    }

    /// Sets what decides on each call, in every dialect, before the call goes to its upstream.
    /// Default: none, and all calls are made.
    pub fn authorizer(mut self, authorizer: impl Authorizer) -> Self {
        self.settings.hooks.authorizer = Some(Arc::new(authorizer));
        self
    }

    /// Sets the limit of calls per peer. Default: none.
    pub fn rate_limit(self, limit: RateLimit) -> Self {
        Self { rate_limit: Some(limit), ..self }
    }

    /// Sets a function that gets the record of each call, and of each other request, once it has
    /// ended: for access logs and metrics. The function runs on the threads that serve calls: it
    /// must neither block nor panic. Default: none.
    pub fn observer(mut self, observer: impl Fn(&CallRecord) + Send + Sync + 'static) -> Self {
        self.settings.hooks.observer = Some(Box::new(observer));
        self
    }

    /// Sets the maximum time for a request of one message to arrive, after which its call fails as
    /// `deadline_exceeded`. Streams of requests have no such limit. Default: 60 s.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.settings.body_timeout = timeout;
        self
    }

    /// Sets the budget, in bytes, of messages that are held whole, over all calls and WebSockets:
    /// requests that have not arrived whole, requests that the upstream has not taken, and responses
    /// that the client has not taken. Bytes from 4 KiB on count. Default: 256 MiB.
    ///
    /// When the budget is used up, the largest of them is dropped, or an older one of at least half
    /// its size. Its call fails as `unavailable` before it goes to its upstream, and as
    /// `resource_exhausted` afterwards; a response that has begun is cut off, never ended; a
    /// WebSocket is closed with 1013. Messages that native gRPC and gRPC-Web pass on are not held
    /// whole.
    ///
    /// Clones of a [`MemoryBudget`] share it, and report how much is held. A reload with a budget
    /// of the same limit keeps the old one.
    pub fn memory_budget(mut self, budget: MemoryBudget) -> Self {
        self.settings.budget = budget;
        self
    }

    /// Sets whether responses are compressed with gzip for clients that accept it: JSON over HTTP
    /// and unary calls of Connect from 1 KiB on, and the messages of Connect's streams. Responses
    /// of gRPC and grpc-web pass as the upstream compresses them. Default: `false`.
    ///
    /// Compression tells an observer of the network how long a response is. Over TLS, this
    /// discloses secrets in responses that also repeat text of an attacker.
    pub fn compress_responses(mut self, compress: bool) -> Self {
        self.settings.compress_responses = compress;
        self
    }

    /// Sets whether a `POST` with `application/x-www-form-urlencoded` is a request whose query is
    /// in its body, as for grpc-gateway: for the method of `X-HTTP-Method-Override`, or for `GET`
    /// where no route takes `POST`. Default: `false`, since pages send such requests to other
    /// origins; the check of the origin is then all that protects from them.
    pub fn form_posts(mut self, forms: bool) -> Self {
        self.settings.dispatch.form_posts = forms;
        self
    }

    /// Sets whether the messages of lines and arrays stand alone, rather than as `result` in an
    /// object. Errors are always `error` in an object. Default: `false`, as grpc-gateway does.
    pub fn unwrapped_streams(mut self, unwrapped: bool) -> Self {
        self.settings.unwrapped_streams = unwrapped;
        self
    }

    /// Keeps the budget of running calls if the new one has the same limit.
    fn budget_of(mut self, old: &Settings) -> Self {
        if self.settings.budget.limit() == old.budget.limit() {
            self.settings.budget = old.budget.clone();
        }
        self
    }

    /// Starts the tasks that learn the services, and returns the gateway.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub fn build(self) -> Gateway {
        Gateway::new(Arc::new(self.start(Arc::default(), None)))
    }

    /// Starts the tasks. Types of upstreams that `previous` has as well are kept until they are
    /// learned again.
    fn start(self, lifecycle: Arc<Lifecycle>, previous: Option<&Catalogs>) -> Inner {
        let Self { sources, mut settings, rules, router, max_calls, rate_limit } = self;
        let limit = settings.max_message_length as usize;
        settings.parse = settings.parse.max_output(limit);
        settings.print = settings.print.max_output(limit);
        settings.rate_limiter = rate_limit.map(RateLimiter::new);
        Inner {
            catalogs: Catalogs::start(sources, rules, router, previous),
            calls: Arc::new(Semaphore::new(max_calls.min(Semaphore::MAX_PERMITS))),
            settings: Arc::new(settings),
            lifecycle,
        }
    }
}
