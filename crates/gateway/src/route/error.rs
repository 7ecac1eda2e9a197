use std::error::Error;
use std::fmt;

use http::{HeaderValue, Method, StatusCode};

use super::{EscapeError, MethodKind};

/// The reason why a request has no route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteError {
    /// The path cannot be decoded.
    Escape(EscapeError),
    /// The path has a segment `.` or `..`, and the [options](super::RouterOptions) refuse it.
    DotSegment,
    /// No template matches the path.
    NotFound,
    /// Templates match the path, but not for this method.
    MethodNotAllowed(Allowed),
}

/// The methods that a path has routes for, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed(Vec<Method>);

/// A route that was not inserted, because another has the same template and methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateRoute {
    /// The index of the route that exists: see [`Router::route`](super::Router::route).
    pub existing: usize,
    /// The methods of both.
    pub kind: MethodKind,
    /// The template that was not inserted.
    pub template: Box<str>,
    /// The template that exists; it may differ in its variables.
    pub existing_template: Box<str>,
}

impl RouteError {
    /// Returns the status of the response: 400, 404 or 405. A response with 405 also needs the
    /// header `Allow`: see [`Allowed::header`].
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Escape(_) | Self::DotSegment => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
        }
    }
}

impl Allowed {
    /// Creates the list from the exact methods of routes, in any order.
    pub(crate) fn new(mut methods: Vec<Method>) -> Self {
        if methods.contains(&Method::GET) {
            methods.push(Method::HEAD);
        }
        methods.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        methods.dedup();
        Self(methods)
    }

    /// Returns the methods in alphabetical order. HEAD is beside GET.
    pub fn methods(&self) -> &[Method] {
        &self.0
    }

    /// Returns the value of the header `Allow` (RFC 9110 section 10.2.1).
    pub fn header(&self) -> HeaderValue {
        // A method is a token, so their list is a header value.
        HeaderValue::from_str(&self.to_string()).unwrap_or(HeaderValue::from_static(""))
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{method}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Escape(error) => write!(f, "the path is malformed: {error}"),
            Self::DotSegment => f.write_str("the path must not have segments . and .."),
            Self::NotFound => f.write_str("no route matches the path"),
            Self::MethodNotAllowed(allowed) => {
                write!(f, "the path has no route for this method, but for {allowed}")
            }
        }
    }
}

impl Error for RouteError {}

impl From<EscapeError> for RouteError {
    fn from(error: EscapeError) -> Self {
        Self::Escape(error)
    }
}

impl fmt::Display for DuplicateRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, template, existing_template, .. } = self;
        write!(f, "{kind} {template} matches the same requests as {kind} {existing_template}")
    }
}

impl Error for DuplicateRoute {}
