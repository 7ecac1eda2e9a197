//! The settings of a gateway.

use std::sync::Arc;

use sockeye::upgrade::{OriginPolicy, TrustedProxies};
use tokio::sync::Semaphore;

use super::{Gateway, Inner};
use crate::catalog::{Catalogs, Source};
use crate::deadline::TimeoutLimits;
use crate::dispatch::DispatchOptions;
use crate::metadata::MetadataPolicy;
use crate::route::RouterOptions;
use crate::rules::RuleFile;
use crate::transcode::{ParseOptions, PrintOptions};
use crate::upstream::Upstream;

/// Default maximum length of a message, in bytes: that of gRPC.
const DEFAULT_MAX_MESSAGE_LENGTH: u32 = 4 * 1024 * 1024;

/// Default maximum number of calls in progress. Chosen: with the default windows, calls whose
/// clients do not read hold 2.5 GiB at most.
const DEFAULT_MAX_CALLS: usize = 10_000;

/// The settings of a [`Gateway`].
#[derive(Debug)]
pub struct Builder {
    sources: Vec<Source>,
    pub(super) settings: Settings,
    rules: Option<RuleFile>,
    router: RouterOptions,
    max_calls: usize,
}

/// The settings that calls read.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) metadata: MetadataPolicy,
    pub(super) origins: OriginPolicy,
    pub(super) proxies: TrustedProxies,
    pub(super) max_message_length: u32,
    pub(super) timeouts: TimeoutLimits,
    pub(super) parse: ParseOptions,
    pub(super) print: PrintOptions,
    pub(super) array_streams: bool,
    pub(super) dispatch: DispatchOptions,
}

impl Builder {
    pub(super) fn new() -> Self {
        let settings = Settings {
            metadata: MetadataPolicy::default(),
            origins: OriginPolicy::same_origin(),
            proxies: TrustedProxies::default(),
            max_message_length: DEFAULT_MAX_MESSAGE_LENGTH,
            timeouts: TimeoutLimits::default(),
            parse: ParseOptions::default(),
            print: PrintOptions::rest(),
            array_streams: false,
            dispatch: DispatchOptions::default(),
        };
        Self {
            sources: Vec::new(),
            settings,
            rules: None,
            router: RouterOptions::default(),
            max_calls: DEFAULT_MAX_CALLS,
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
    /// A request without `Origin` does not come from a page and is accepted.
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

    /// Sets whether streams of JSON over HTTP are arrays, rather than lines, for clients that accept
    /// neither `application/x-ndjson` nor `text/event-stream`. Default: `false`.
    pub fn array_streams(mut self, arrays: bool) -> Self {
        self.settings.array_streams = arrays;
        self
    }

    /// Starts the tasks that learn the services, and returns the gateway.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub fn build(self) -> Gateway {
        let Self { sources, mut settings, rules, router, max_calls } = self;
        let limit = settings.max_message_length as usize;
        settings.parse = settings.parse.max_output(limit);
        settings.print = settings.print.max_output(limit);
        let inner = Inner {
            catalogs: Catalogs::start(sources, rules, router),
            calls: Arc::new(Semaphore::new(max_calls.min(Semaphore::MAX_PERMITS))),
            settings: Arc::new(settings),
        };
        Gateway { inner: Arc::new(inner) }
    }
}
