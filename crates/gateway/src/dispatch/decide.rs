use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{Method, Version};

use super::{DispatchError, MediaType, RequestHead, SUBPROTOCOL_BEARER};
use crate::route::binding::parse_query;
use crate::route::{Allowed, RouteError};

/// The subprotocol with many calls on one socket.
const SOCKEYE_GRPC: &str = "sockeye.grpc.v1";

/// The subprotocol with one call on a socket, in the form of gRPC-Web.
const GRPC_WEBSOCKETS: &str = "grpc-websockets";

const X_HTTP_METHOD_OVERRIDE: &str = "x-http-method-override";

/// The dialect of a request. `M` is a method, `R` a route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dispatch<M, R> {
    /// A preflight of CORS.
    Preflight,
    /// A WebSocket with HTTP/2 in binary messages.
    Tunnel,
    /// A WebSocket with packets in binary messages.
    Packets,
    /// A WebSocket with many calls, in the subprotocol `sockeye.grpc.v1`.
    SockeyeGrpc,
    /// A WebSocket with one call, in the subprotocol `grpc-websockets`.
    GrpcWebSockets,
    /// A WebSocket with one call in JSON, to a route.
    JsonWebSocketRoute {
        /// The route.
        route: R,
        /// The HTTP method by which the client chose it.
        method: Method,
    },
    /// A WebSocket with one call in JSON, to an RPC path.
    JsonWebSocketMethod(M),
    /// A call of gRPC.
    Grpc,
    /// A call of gRPC-Web.
    GrpcWeb {
        /// `true` if the bodies are base64.
        is_text: bool,
    },
    /// A streaming call of Connect.
    ConnectStream {
        /// The method.
        method: M,
        /// The codec.
        codec: Codec,
    },
    /// A unary call of Connect. In JSON, it is also the call of a client that knows the path only.
    ConnectUnary {
        /// The method.
        method: M,
        /// The codec.
        codec: Codec,
    },
    /// A unary call of Connect by GET: the query has the codec.
    ConnectGet {
        /// The method.
        method: M,
    },
    /// A request of REST.
    Rest(R),
    /// A request of REST whose body is the query, in the form of HTML: see
    /// [`DispatchOptions::form_posts`].
    RestForm(R),
}

/// The encoding of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Protobuf's wire format.
    Proto,
    /// Protobuf's JSON.
    Json,
}

/// The options of [`dispatch`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DispatchOptions {
    /// The path of WebSockets with HTTP/2 in them. Default: none, and there is no tunnel.
    pub tunnel_path: Option<Box<str>>,
    /// The path of WebSockets with packets of type, length, `who` and content. Default: none.
    pub packet_path: Option<Box<str>>,
    /// `true` to take a POST with `application/x-www-form-urlencoded` for a request whose query
    /// would be too long, as grpc-gateway does: for the method of `X-HTTP-Method-Override`, or for
    /// GET if no route takes POST. Default: `false`, as pages of other origins send such requests.
    pub form_posts: bool,
}

/// Decides the dialect of a request by the [table](self::super) of this module.
///
/// `find_method` returns the method of an RPC path, `find_route` the route of a path.
///
/// # Errors
/// [`DispatchError`], with the status of the response.
pub fn dispatch<'r, M, R>(
    options: &DispatchOptions,
    head: &RequestHead<'r>,
    find_method: impl Fn(&'r str) -> Option<M>,
    find_route: impl Fn(&Method, &'r str) -> Result<R, RouteError>,
) -> Result<Dispatch<M, R>, DispatchError> {
    let is_preflight = *head.method == Method::OPTIONS
        && head.headers.contains_key(ORIGIN)
        && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if is_preflight {
        return Ok(Dispatch::Preflight);
    }
    if head.is_websocket {
        return websocket(options, head, find_method, find_route);
    }
    let media_type = head.media_type();
    match media_type {
        MediaType::GrpcWeb | MediaType::GrpcWebText => {
            require_post(head)?;
            return Ok(Dispatch::GrpcWeb { is_text: media_type == MediaType::GrpcWebText });
        }
        MediaType::Grpc if head.version < Version::HTTP_2 => {
            return Err(DispatchError::HttpVersion);
        }
        MediaType::Grpc => {
            require_post(head)?;
            return Ok(Dispatch::Grpc);
        }
        _ => {}
    }
    let Some(method) = find_method(head.path) else {
        return Ok(rest(options, head, find_route)?);
    };
    match media_type {
        MediaType::ConnectProto | MediaType::ConnectJson => {
            require_post(head)?;
            let is_json = media_type == MediaType::ConnectJson;
            let codec = if is_json { Codec::Json } else { Codec::Proto };
            return Ok(Dispatch::ConnectStream { method, codec });
        }
        MediaType::Proto => {
            require_post(head)?;
            return Ok(Dispatch::ConnectUnary { method, codec: Codec::Proto });
        }
        _ if *head.method == Method::GET && is_connect_query(head.query) => {
            return Ok(Dispatch::ConnectGet { method });
        }
        _ => {}
    }
    match rest(options, head, find_route) {
        Ok(rest) => return Ok(rest),
        Err(RouteError::NotFound | RouteError::MethodNotAllowed(_)) => require_post(head)?,
        Err(error) => return Err(error.into()),
    }
    match media_type {
        MediaType::Json => Ok(Dispatch::ConnectUnary { method, codec: Codec::Json }),
        _ => Err(DispatchError::UnsupportedMediaType),
    }
}

fn rest<'r, M, R>(
    options: &DispatchOptions,
    head: &RequestHead<'r>,
    find_route: impl Fn(&Method, &'r str) -> Result<R, RouteError>,
) -> Result<Dispatch<M, R>, RouteError> {
    let is_form =
        options.form_posts && *head.method == Method::POST && head.media_type() == MediaType::Form;
    if !is_form {
        return find_route(head.method, head.path).map(Dispatch::Rest);
    }
    if let Some(method) = head.headers.get(X_HTTP_METHOD_OVERRIDE) {
        let method = Method::from_bytes(&method.as_bytes().to_ascii_uppercase());
        let method = method.map_err(|_| RouteError::NotFound)?;
        return find_route(&method, head.path).map(Dispatch::RestForm);
    }
    match find_route(&Method::POST, head.path) {
        Err(RouteError::MethodNotAllowed(allowed)) if allowed.methods().contains(&Method::GET) => {
            find_route(&Method::GET, head.path).map(Dispatch::RestForm)
        }
        found => found.map(Dispatch::Rest),
    }
}

fn websocket<'r, M, R>(
    options: &DispatchOptions,
    head: &RequestHead<'r>,
    find_method: impl Fn(&'r str) -> Option<M>,
    find_route: impl Fn(&Method, &'r str) -> Result<R, RouteError>,
) -> Result<Dispatch<M, R>, DispatchError> {
    for subprotocol in head.subprotocols() {
        match subprotocol {
            SOCKEYE_GRPC => return Ok(Dispatch::SockeyeGrpc),
            GRPC_WEBSOCKETS => return Ok(Dispatch::GrpcWebSockets),
            // A token follows, whatever its text is.
            SUBPROTOCOL_BEARER => break,
            _ => {}
        }
    }
    if options.tunnel_path.as_deref() == Some(head.path) {
        return Ok(Dispatch::Tunnel);
    }
    if options.packet_path.as_deref() == Some(head.path) {
        return Ok(Dispatch::Packets);
    }
    if head.subprotocols().next().is_some_and(|first| first != SUBPROTOCOL_BEARER) {
        return Err(DispatchError::UnknownSubprotocols);
    }
    let method = method_parameter(head.query)?;
    match find_route(&method, head.path) {
        Ok(route) => Ok(Dispatch::JsonWebSocketRoute { route, method }),
        Err(error @ (RouteError::NotFound | RouteError::MethodNotAllowed(_))) => {
            let method = find_method(head.path).ok_or(error)?;
            Ok(Dispatch::JsonWebSocketMethod(method))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns the HTTP method of a WebSocket's route: that of the parameter `method`, or GET.
fn method_parameter(query: Option<&str>) -> Result<Method, DispatchError> {
    let parameters = parse_query(query.unwrap_or_default()).map_err(DispatchError::Query)?;
    let mut methods = parameters.iter().filter(|(name, _)| name == "method");
    match (methods.next(), methods.next()) {
        (None, _) => Ok(Method::GET),
        (Some((_, method)), None) => {
            Method::from_bytes(method.as_bytes()).map_err(|_| DispatchError::MethodParameter)
        }
        (Some(_), Some(_)) => Err(DispatchError::MethodParameter),
    }
}

/// Reports whether a query has the parameters that a call of Connect by GET needs. Their values are
/// read later.
fn is_connect_query(query: Option<&str>) -> bool {
    let has = |wanted: &str| {
        let mut parameters = query.unwrap_or_default().split('&');
        parameters.any(|parameter| parameter.split('=').next() == Some(wanted))
    };
    has("message") && has("encoding")
}

fn require_post(head: &RequestHead<'_>) -> Result<(), DispatchError> {
    if *head.method == Method::POST {
        return Ok(());
    }
    Err(RouteError::MethodNotAllowed(Allowed::new(vec![Method::POST])).into())
}
