//! The services of a server, and the choice of a method.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use sockeye::escape;
use sockeye::http::header::AUTHORIZATION;
use sockeye::http::{HeaderName, HeaderValue, Request, Response};
use sockeye_gateway::catalog::Schema;
use sockeye_gateway::descriptor::{Method, Service};
use sockeye_gateway::reflection::{self, FileSet, ReflectionError};
use tonic::Code;
use tonic::body::Body;

use super::address::Address;
use super::arguments::Call;
use super::connector::{Connector, Http2Connection};
use crate::client::{Failure, FailureKind};

/// The hint of errors of reflection.
const HINT: &str = "give its services with --descriptor-set FILE";

/// A method, with the types of its server.
#[derive(Clone, Copy, Debug)]
pub(super) struct CalledMethod<'s> {
    pub(super) schema: &'s Schema,
    pub(super) service: &'s Service,
    pub(super) descriptor: &'s Method,
}

impl CalledMethod<'_> {
    /// Returns the name in calls: `package.Service/Method`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.service.full_name, self.descriptor.name)
    }

    /// Returns whether the requests or the responses are a stream.
    pub(super) fn is_stream(&self) -> bool {
        self.descriptor.client_streaming || self.descriptor.server_streaming
    }

    /// Returns whether both the requests and the responses are streams.
    pub(super) fn is_bidi(&self) -> bool {
        self.descriptor.client_streaming && self.descriptor.server_streaming
    }
}

/// Reads the services from the file that the arguments name, or asks the server for them.
pub(super) async fn load(options: &Call, connector: &Connector) -> Result<Schema, Failure> {
    if let Some(mistake) = options.misplaced() {
        return Err(Failure::usage(mistake));
    }
    let set = match &options.descriptor_set {
        Some(file) => {
            let path = file.display();
            let encoded = std::fs::read(file)
                .map_err(|error| Failure::usage(format!("cannot read {path}: {error}")))?;
            FileSet::from_descriptor_set(encoded.into()).map_err(|error| {
                Failure::usage(format!("{path} is not a FileDescriptorSet: {error}"))
            })?
        }
        None => reflect(options, connector).await?,
    };
    Schema::new(&set).map_err(|error| {
        let error = error.to_string();
        Failure::other(format!("the services cannot be used: {}", escape(&error)))
    })
}

/// Asks the server for its services: below the path of the address, as a gateway behind a path has
/// them, and then at the root.
async fn reflect(options: &Call, connector: &Connector) -> Result<FileSet, Failure> {
    let connection = connector.connect_http2().await?;
    let prefix = &connector.address().prefix;
    let channel = |prefix: &str| ReflectionChannel {
        connection: connection.clone(),
        prefix: prefix.to_owned(),
        metadata: options.header.clone(),
    };
    let mut fetched = reflection::fetch(channel(prefix)).await;
    let is_missing = |error: &ReflectionError| matches!(error, ReflectionError::Status(status) if status.code() == Code::Unimplemented);
    if !prefix.is_empty() && fetched.as_ref().is_err_and(is_missing) {
        fetched = reflection::fetch(channel("")).await;
    }
    fetched.map_err(|error| {
        if is_missing(&error) {
            let place = if prefix.is_empty() { "" } else { ", neither at its root nor below " };
            return Failure::other(format!("the server has no reflection{place}{prefix}; {HINT}"));
        }
        let hint = match &error {
            ReflectionError::Status(status) if is_refusal(status.code()) => token_hint(options),
            ReflectionError::Status(status) if status.code() == Code::Cancelled => {
                return closed_early(connector.address());
            }
            ReflectionError::Status(status) if status.code() == Code::Unavailable => {
                format!("try again later, or {HINT}")
            }
            _ => HINT.to_owned(),
        };
        let error = error.to_string();
        Failure::other(format!("the services are unknown: {}; {hint}", escape(&error)))
    })
}

/// Returns the failure of a connection that the server closed before it answered.
fn closed_early(address: &Address) -> Failure {
    let authority = &address.authority;
    let advice = if address.is_secure {
        String::new()
    } else {
        format!("; if it expects TLS, write https://{authority}")
    };
    let message = format!("{authority} closed the connection: expected a gRPC server{advice}");
    Failure::new(FailureKind::Lost, message)
}

/// Returns whether a server refuses its client.
fn is_refusal(code: Code) -> bool {
    matches!(code, Code::Unauthenticated | Code::PermissionDenied)
}

/// Returns the hint for a server that refuses reflection.
fn token_hint(options: &Call) -> String {
    let has_token = options.header.iter().any(|(name, _)| name == AUTHORIZATION);
    if has_token {
        return format!("the server does not accept the `authorization` of -H; {HINT}");
    }
    format!("reflection needs a token: send it with -H 'authorization: Bearer TOKEN', or {HINT}")
}

/// A connection for reflection, whose calls have the metadata of the arguments.
#[derive(Clone, Debug)]
struct ReflectionChannel {
    connection: Http2Connection,
    /// The path before that of the method.
    prefix: String,
    metadata: Vec<(HeaderName, HeaderValue)>,
}

impl tower_service::Service<Request<Body>> for ReflectionChannel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.connection.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.headers_mut().extend(self.metadata.iter().cloned());
        // The prefix is that of a URI.
        if let Ok(uri) = format!("{}{}", self.prefix, request.uri().path()).parse() {
            *request.uri_mut() = uri;
        }
        Box::pin(self.connection.send(request))
    }
}

/// Finds a method by `package.Service/Method`, also with a slash before it or a dot in place of the
/// slash.
pub(super) fn find_method<'s>(schema: &'s Schema, name: &str) -> Result<CalledMethod<'s>, Failure> {
    if let Some(method) = method(schema, name) {
        return Ok(method);
    }
    let names: Vec<_> = schema.services().iter().flat_map(|name| methods(schema, name)).collect();
    let hint = nearest(normal(name).as_str(), names.iter().map(String::as_str));
    Err(unknown("method", name, hint))
}

/// Returns the method of a name, if there is one.
pub(super) fn method<'s>(schema: &'s Schema, name: &str) -> Option<CalledMethod<'s>> {
    let (service, descriptor) = schema.pool().find_method(&normal(name))?;
    Some(CalledMethod { schema, service, descriptor })
}

/// Returns the services, or the methods of one, a line each.
pub(super) fn list(schema: &Schema, service: Option<&str>) -> Result<String, Failure> {
    let lines = match service {
        None => schema.services().to_vec(),
        Some(name) if schema.pool().find_service(name).is_some() => methods(schema, name),
        Some(name) => {
            let hint = nearest(name, schema.services().iter().map(String::as_str));
            return Err(unknown("service", name, hint));
        }
    };
    Ok(lines.into_iter().map(|line| line + "\n").collect())
}

/// Returns the names of a service's methods.
fn methods(schema: &Schema, service: &str) -> Vec<String> {
    let Some(found) = schema.pool().find_service(service) else { return Vec::new() };
    found.methods.iter().map(|method| format!("{service}/{}", method.name)).collect()
}

/// Returns the failure for a name that the server does not have.
pub(super) fn unknown(kind: &str, name: &str, hint: Option<&str>) -> Failure {
    let hint = match hint {
        Some(hint) => format!("did you mean {hint}?"),
        None => "`sockeye call ADDR list` prints the services".to_owned(),
    };
    Failure::usage(format!("there is no {kind} {name}; {hint}"))
}

/// Returns the form of a method's name with a slash.
fn normal(name: &str) -> String {
    let name = name.strip_prefix('/').unwrap_or(name);
    match name.rsplit_once('.') {
        Some((service, method)) if !name.contains('/') => format!("{service}/{method}"),
        _ => name.to_owned(),
    }
}

/// Returns the name that the user has most likely meant, if one is near enough.
pub(super) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let (distance, nearest) =
        names.map(|known| (distance(name, known), known)).min_by_key(|(distance, _)| *distance)?;
    // Chosen: two mistakes in a short name, and more in a long one.
    (distance <= (name.len() / 4).max(2)).then_some(nearest)
}

/// Returns the number of edits between a name and a known one, whose package or service may be
/// missing.
fn distance(name: &str, known: &str) -> usize {
    let parts = known.match_indices(['.', '/']).map(|(place, _)| &known[place + 1..]);
    let forms = parts.chain([known]);
    forms.map(|form| strsim::damerau_levenshtein(name, form)).min().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_may_lack_its_package_or_its_service() {
        let known = ["shop.v1.Books/Get", "shop.v1.Books/List", "shop.v1.Orders/Get"];
        let nearest = |name| nearest(name, known.into_iter());
        assert_eq!(nearest("shop.v1.Books/Gte"), Some("shop.v1.Books/Get"));
        assert_eq!(nearest("Books/List"), Some("shop.v1.Books/List"));
        assert_eq!(nearest("list"), Some("shop.v1.Books/List"));
        assert_eq!(nearest("shop.v1.Order/Get"), Some("shop.v1.Orders/Get"));
        assert_eq!(nearest("grpc.health.v1.Health/Check"), None);
    }

    #[test]
    fn a_method_has_a_slash_or_a_dot() {
        for name in ["a.B/C", "/a.B/C", "a.B.C"] {
            assert_eq!(normal(name), "a.B/C");
        }
        assert_eq!(normal("C"), "C");
    }
}
