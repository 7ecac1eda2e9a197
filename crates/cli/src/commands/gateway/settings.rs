//! The settings of the gateway, from the flags.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use sockeye::MemoryBudget;
use sockeye::resume::Limits;
use sockeye::upgrade::{OriginPolicy, TrustedProxies};
use sockeye_gateway::deadline::TimeoutLimits;
use sockeye_gateway::metadata::{MetadataPolicy, NamePattern};
use sockeye_gateway::route::{MultiSegmentDecoding, RouterOptions};
use sockeye_gateway::rules::RuleFile;
use sockeye_gateway::transcode::{ParseOptions, PrintOptions, Unpopulated};
use sockeye_gateway::{Builder, Gateway, RateLimit};
use tracing::warn;

use super::GatewayArguments;
use super::access::{Access, SUBJECT, Tokens};
use super::call_line::CallLine;
use super::demo::Demo;
use super::upstreams;
use crate::host::access_log::AccessLog;
use crate::host::websocket;
use crate::telemetry;

/// The parts of a gateway that are not built from the flags alone.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) proxies: TrustedProxies,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) demo: Option<Arc<Demo>>,
}

/// The settings of the gateway.
pub(crate) struct Settings {
    pub(crate) builder: Builder,
    /// The names of methods in the file of rules.
    pub(crate) selectors: Vec<String>,
}

impl Settings {
    /// Reads the files that the flags name, and warns of rules that are left out.
    ///
    /// # Errors
    /// When a file cannot be used, or there is no upstream.
    pub(crate) fn new(
        arguments: &GatewayArguments,
        access: &Access,
        surroundings: &Surroundings,
    ) -> anyhow::Result<Self> {
        let rules = arguments.rules.as_deref().map(rules).transpose()?;
        let selectors = rules.iter().flat_map(RuleFile::selectors).map(str::to_owned).collect();
        let builder = builder(arguments, access, surroundings, rules)?;
        Ok(Self { builder, selectors })
    }
}

fn builder(
    arguments: &GatewayArguments,
    access: &Access,
    surroundings: &Surroundings,
    rules: Option<RuleFile>,
) -> anyhow::Result<Builder> {
    let mut sources = upstreams::sources(arguments)?;
    if let Some(demo) = &surroundings.demo {
        sources.push(demo.source()?);
    }
    anyhow::ensure!(
        !sources.is_empty(),
        "there is no upstream; add --upstream http://127.0.0.1:50051 with the address of a gRPC \
         server, or --demo to try the gateway without one"
    );
    anyhow::ensure!(
        arguments.max_message as usize <= arguments.memory_budget,
        "--max-message is more than --memory-budget: no such message could pass; lower the one or \
         raise the other"
    );
    let builder = Gateway::builder()
        .origins(origins(arguments)?)
        .trusted_proxies(surroundings.proxies.clone())
        .metadata(metadata(arguments)?)
        .router(router(arguments, rules.as_ref()))
        .timeouts(timeouts(arguments))
        .max_message_length(arguments.max_message)
        .max_calls(arguments.max_calls)
        .memory_budget(MemoryBudget::new(arguments.memory_budget))
        .body_timeout(arguments.body_timeout)
        .parse_options(ParseOptions::default().ignore_unknown(!arguments.strict_json))
        .print_options(print_options(arguments))
        .array_streams(arguments.array_streams)
        .form_posts(arguments.form_posts)
        .compress_responses(arguments.compress);
    let builder = sources.into_iter().fold(builder, Builder::source);
    let builder = websockets(pages(builder, arguments, access), arguments);
    let builder = match rules {
        Some(rules) => builder.rules(rules),
        None => builder,
    };
    let builder = match access {
        Access::Tokens(verifier) => builder.authorizer(Tokens(verifier.clone())),
        Access::Private | Access::Anybody => builder,
    };
    let builder = match arguments.rate_limit {
        Some(rate) => {
            builder.rate_limit(RateLimit::per_peer(rate, arguments.rate_burst.unwrap_or(rate)))
        }
        None => builder,
    };
    let (log, export) = (surroundings.access_log.clone(), telemetry::call_observer());
    Ok(if log.is_none() && export.is_none() {
        builder
    } else {
        builder.observer(move |record| {
            if let Some(log) = &log {
                log.write(&CallLine::from(record));
            }
            if let Some(export) = &export {
                export(record);
            }
        })
    })
}

/// Adds the pages of the gateway itself.
fn pages(builder: Builder, arguments: &GatewayArguments, access: &Access) -> Builder {
    let console = has_console(arguments, access);
    builder.console(console).openapi(arguments.openapi.unwrap_or(console))
}

/// Adds the settings of WebSockets.
fn websockets(builder: Builder, arguments: &GatewayArguments) -> Builder {
    let config = websocket::config(&arguments.hosting, arguments.idle_timeout);
    let builder = builder.websocket_config(config);
    let builder = match &arguments.tunnel_path {
        Some(path) => builder.tunnel_path(path),
        None => builder,
    };
    let builder = match arguments.tunnel_sessions {
        Some(max_sessions) => builder.tunnel_sessions(Limits::new(), max_sessions),
        None => builder,
    };
    match &arguments.token_cookie {
        Some(name) => builder.token_cookie(name),
        None => builder,
    }
}

/// Returns whether the gateway has its page.
pub(crate) fn has_console(arguments: &GatewayArguments, access: &Access) -> bool {
    arguments.console.unwrap_or_else(|| access.is_private())
}

fn origins(arguments: &GatewayArguments) -> anyhow::Result<OriginPolicy> {
    let mut origins = OriginPolicy::same_origin();
    for pattern in &arguments.allow_origin {
        origins =
            origins.allow(pattern).with_context(|| format!("cannot allow the origin {pattern}"))?;
    }
    Ok(origins)
}

fn metadata(arguments: &GatewayArguments) -> anyhow::Result<MetadataPolicy> {
    let mut policy = MetadataPolicy::default();
    policy.allow.clone_from(&arguments.allow_metadata);
    policy.deny.clone_from(&arguments.deny_metadata);
    // Only the gateway says who a client is.
    policy.deny.push(SUBJECT.as_str().parse::<NamePattern>()?);
    policy.expose.clone_from(&arguments.expose_metadata);
    policy.grpc_gateway_headers = arguments.grpc_gateway_headers;
    Ok(policy)
}

fn router(arguments: &GatewayArguments, rules: Option<&RuleFile>) -> RouterOptions {
    let mut options = RouterOptions::default();
    options.ignore_trailing_slash = arguments.ignore_trailing_slash;
    if rules.is_some_and(RuleFile::fully_decode_reserved_expansion) {
        options.multi_segment_decoding = MultiSegmentDecoding::All;
    }
    options
}

fn timeouts(arguments: &GatewayArguments) -> TimeoutLimits {
    TimeoutLimits { default: arguments.timeout, max: arguments.max_timeout }
}

fn print_options(arguments: &GatewayArguments) -> PrintOptions {
    let options = PrintOptions::rest()
        .proto_names(arguments.proto_names)
        .enums_as_numbers(arguments.enum_numbers);
    if arguments.omit_defaults { options.unpopulated(Unpopulated::Omit) } else { options }
}

/// Reads the HTTP rules of a file. A faulty rule is left out, with a warning.
fn rules(file: &Path) -> anyhow::Result<RuleFile> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let rules = RuleFile::from_toml(&text).map_err(|error| {
        let expected = "expected TOML with [[http.rules]]";
        anyhow::anyhow!("cannot use the rules in {name}: {error}; {expected}")
    })?;
    for (line, fault) in rules.faults() {
        warn!("{name}: line {line}: {fault}; the rule is left out");
    }
    Ok(rules)
}
