use super::RuleError;
use crate::route::{MethodKind, Template};

/// A rule of a method, or one of its `additional_bindings`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The HTTP methods.
    pub kind: MethodKind,
    /// The path.
    pub template: Template,
    /// The part of the request message that the body gives.
    pub body: Body,
    /// The field of the response message that is the body. `None` for the whole message.
    pub response_body: Option<Box<str>>,
}

/// The part of a request message that the body gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing: path and query give the fields.
    None,
    /// All fields that the path does not give: `*`. The query is not read.
    Whole,
    /// One field of the request message; the query gives those that are left.
    Field(Box<str>),
}

/// The bindings of a method, and the errors of those that are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedRules {
    /// The bindings, in the order of the source.
    pub bindings: Vec<Binding>,
    /// The errors, in the order of the source.
    pub errors: Vec<RuleError>,
}
