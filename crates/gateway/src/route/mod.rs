//! Routes from HTTP requests to methods by path templates.
//!
//! A [`Template`] is the parsed path of an HTTP rule, a [`Router`] finds the route of a request,
//! and [`binding`] turns the variables of the path and the parameters of the query into fields of
//! the request message.
//!
//! ```
//! use http::Method;
//! use sockeye_gateway::route::{MethodKind, Router, Template};
//!
//! let mut router = Router::default();
//! let template = Template::parse("/v1/{name=shelves/*}:read")?;
//! router.insert(MethodKind::Exact(Method::GET), template, "pkg.Library.Read")?;
//!
//! let found = router.find(&Method::GET, "/v1/shelves/7:read")?;
//! assert_eq!(*found.value(), "pkg.Library.Read");
//! let bindings: Vec<_> = found.bindings().collect();
//! assert_eq!((bindings[0].field_path, &*bindings[0].value), ("name", "shelves/7"));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

pub mod binding;
mod captures;
mod entry;
mod error;
mod method_kind;
mod node;
mod options;
pub(crate) mod percent;
mod router;
mod template;
mod template_error;
#[cfg(test)]
mod tests;

pub use self::captures::{Match, PathBinding};
pub use self::entry::Route;
pub use self::error::{Allowed, DuplicateRoute, RouteError};
pub use self::method_kind::MethodKind;
pub use self::options::{MultiSegmentDecoding, RouterOptions};
pub use self::percent::EscapeError;
pub use self::router::Router;
pub use self::template::{Segment, Template, Variable};
pub use self::template_error::{TemplateError, TemplateFault};
