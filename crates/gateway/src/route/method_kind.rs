use std::fmt;

use http::Method;

/// The HTTP methods of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MethodKind {
    /// All methods: the custom kind `*`.
    Any,
    /// One method. A route of GET also serves HEAD where no route of HEAD has the same template.
    Exact(Method),
}

impl MethodKind {
    /// Returns how well the kind fits a method: larger is better, `None` does not fit.
    pub(super) fn fit(&self, method: &Method) -> Option<u8> {
        match self {
            Self::Exact(exact) if exact == method => Some(2),
            Self::Exact(exact) if *exact == Method::GET && *method == Method::HEAD => Some(1),
            Self::Any => Some(0),
            Self::Exact(_) => None,
        }
    }
}

impl fmt::Display for MethodKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(method) => method.fmt(f),
        }
    }
}
