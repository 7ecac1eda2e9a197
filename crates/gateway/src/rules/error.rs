use std::error::Error;
use std::fmt;

use crate::route::TemplateError;

/// The maximum number of bindings of one rule. Chosen: beyond all of Google's APIs.
pub(super) const MAX_BINDINGS: usize = 128;

/// A rule that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The full name of the method: `package.Service.Method`.
    pub method: Box<str>,
    /// The number of the binding: 0 for the rule itself, from 1 for its `additional_bindings`.
    pub binding: usize,
    /// The fault.
    pub fault: RuleFault,
}

/// The fault of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleFault {
    /// The option is not a `google.api.HttpRule`.
    Malformed,
    /// The rule has no path.
    NoPattern,
    /// A rule of a file has more than one path.
    SecondPattern,
    /// The kind of a custom pattern is neither `*` nor the name of an HTTP method.
    InvalidKind {
        /// The kind.
        kind: Box<str>,
    },
    /// The path is not a template.
    Template {
        /// The path.
        template: Box<str>,
        /// The fault of the path.
        error: TemplateError,
    },
    /// `body` or `response_body` is not the name of a field.
    InvalidBody {
        /// The text.
        field: Box<str>,
    },
    /// A rule for GET or HEAD has a body.
    BodyOfGet,
    /// An additional binding has additional bindings.
    NestedBindings,
    /// The rule has more than 128 bindings. Those after are left out.
    TooManyBindings,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP rule of {}", self.method)?;
        if self.binding > 0 {
            write!(f, ", additional binding {}", self.binding)?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl Error for RuleError {}

impl fmt::Display for RuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the option is not a google.api.HttpRule"),
            Self::NoPattern => {
                f.write_str("expected a path: get, put, post, delete, patch or custom")
            }
            Self::SecondPattern => {
                f.write_str("expected one path: further ones belong into additional_bindings")
            }
            Self::InvalidKind { kind } => {
                write!(f, "{kind:?} is neither * nor the name of an HTTP method")
            }
            Self::Template { template, error } => write!(f, "the path {template:?}: {error}"),
            Self::InvalidBody { field } => write!(f, "{field:?} is not the name of a field"),
            Self::BodyOfGet => f.write_str("GET and HEAD have no body"),
            Self::NestedBindings => {
                f.write_str("an additional binding must not have additional bindings")
            }
            Self::TooManyBindings => write!(f, "a rule has at most {MAX_BINDINGS} bindings"),
        }
    }
}
