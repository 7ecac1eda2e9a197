//! The settings that calls read, as plain data.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sockeye::MemoryBudget;
use sockeye::resume::Limits;
use sockeye::upgrade::{OriginPolicy, TrustedProxies};

use super::packet_routes::PacketRoutes;
use crate::auth::Authorizer;
use crate::deadline::TimeoutLimits;
use crate::dispatch::DispatchOptions;
use crate::metadata::MetadataPolicy;
use crate::rate_limit::RateLimiter;
use crate::record::CallRecord;
use crate::transcode::{ParseOptions, PrintOptions};

/// Default maximum length of a message, in bytes: that of gRPC.
const DEFAULT_MAX_MESSAGE_LENGTH: u32 = 4 * 1024 * 1024;

/// Default time for a request of one message to arrive: enough for the default maximum length over
/// 0.6 Mbit/s.
const DEFAULT_BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Default memory budget, in bytes: that of sockeye's servers of WebSockets.
const DEFAULT_BUDGET: usize = 256 * 1024 * 1024;

/// Default maximum number of calls in progress on one socket. Chosen: the usual limit of streams on
/// a connection of HTTP/2.
const DEFAULT_MAX_SOCKET_CALLS: u32 = 100;

/// The settings that calls read.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) metadata: MetadataPolicy,
    pub(super) origins: OriginPolicy,
    pub(super) proxies: TrustedProxies,
    pub(super) max_message_length: u32,
    pub(super) timeouts: TimeoutLimits,
    pub(super) documents: DocumentSettings,
    pub(super) parse: ParseOptions,
    pub(super) print: PrintOptions,
    pub(super) array_streams: bool,
    pub(super) unwrapped_streams: bool,
    pub(super) dispatch: DispatchOptions,
    pub(super) sockets: SocketSettings,
    pub(super) body_timeout: Duration,
    pub(super) budget: MemoryBudget,
    pub(super) compress_responses: bool,
    pub(super) rate_limiter: Option<RateLimiter>,
    pub(super) hooks: Hooks,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            metadata: MetadataPolicy::default(),
            origins: OriginPolicy::same_origin(),
            proxies: TrustedProxies::default(),
            max_message_length: DEFAULT_MAX_MESSAGE_LENGTH,
            timeouts: TimeoutLimits::default(),
            documents: DocumentSettings::default(),
            parse: ParseOptions::default(),
            print: PrintOptions::rest(),
            array_streams: false,
            unwrapped_streams: false,
            dispatch: DispatchOptions::default(),
            sockets: SocketSettings::default(),
            body_timeout: DEFAULT_BODY_TIMEOUT,
            budget: MemoryBudget::new(DEFAULT_BUDGET),
            compress_responses: false,
            rate_limiter: None,
            hooks: Hooks::default(),
        }
    }
}

/// The documents that a gateway serves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DocumentSettings {
    pub(super) console: bool,
    pub(super) openapi: bool,
}

/// The settings of WebSockets.
#[derive(Clone, Debug)]
pub(super) struct SocketSettings {
    pub(super) config: sockeye::Config,
    /// The maximum number of calls in progress on one socket.
    pub(super) max_calls: u32,
    /// The cookie with the token of sockets with JSON.
    pub(super) token_cookie: Option<Box<str>>,
    pub(super) packets: Option<Arc<PacketRoutes>>,
    /// Those of tunnels that outlive their socket.
    pub(super) sessions: Option<SessionSettings>,
}

impl Default for SocketSettings {
    fn default() -> Self {
        let (config, max_calls) = (sockeye::Config::new(), DEFAULT_MAX_SOCKET_CALLS);
        Self { config, max_calls, token_cookie: None, packets: None, sessions: None }
    }
}

/// The settings of sessions that outlive their socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionSettings {
    pub(super) limits: Limits,
    pub(super) max_sessions: usize,
}

/// Code of the program that calls run.
#[derive(Default)]
pub(super) struct Hooks {
    pub(super) authorizer: Option<Arc<dyn Authorizer>>,
    pub(super) observer: Option<Observer>,
}

/// A function that gets the record of each call.
type Observer = Box<dyn Fn(&CallRecord) + Send + Sync>;

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("authorizer", &self.authorizer.is_some())
            .field("observer", &self.observer.is_some())
            .finish()
    }
}
