use http::Method;

use super::error::MAX_BINDINGS;
use super::{Binding, Body, ParsedRules, RuleError, RuleFault};
use crate::route::{MethodKind, Template};

/// A `google.api.HttpRule` before its texts are parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RawRule {
    /// The kind and the path. The kind of a custom pattern is as it is written.
    pub(super) pattern: Option<(String, String)>,
    pub(super) body: String,
    pub(super) response_body: String,
    pub(super) additional_bindings: Vec<RawRule>,
}

impl RawRule {
    /// Adds the bindings of the rule, and the faults of those that are left out.
    pub(super) fn parse_into(self, method: &str, out: &mut ParsedRules) {
        let Self { additional_bindings, .. } = &self;
        let mut parse = |rule: &Self, index: usize| {
            let error = |fault| RuleError { method: method.into(), binding: index, fault };
            if out.bindings.len() + out.errors.len() >= MAX_BINDINGS {
                // One error says it for all that follow.
                if out.errors.last().is_none_or(|last| last.fault != RuleFault::TooManyBindings) {
                    out.errors.push(error(RuleFault::TooManyBindings));
                }
                return;
            }
            match rule.binding(index > 0) {
                Ok(binding) => out.bindings.push(binding),
                Err(fault) => out.errors.push(error(fault)),
            }
        };
        parse(&self, 0);
        for (index, additional) in additional_bindings.iter().enumerate() {
            parse(additional, index + 1);
        }
    }

    fn binding(&self, is_additional: bool) -> Result<Binding, RuleFault> {
        if is_additional && !self.additional_bindings.is_empty() {
            return Err(RuleFault::NestedBindings);
        }
        let Some((kind, path)) = &self.pattern else { return Err(RuleFault::NoPattern) };
        let kind = match &**kind {
            "*" => MethodKind::Any,
            name => MethodKind::Exact(
                Method::from_bytes(name.as_bytes())
                    .map_err(|_| RuleFault::InvalidKind { kind: name.into() })?,
            ),
        };
        let body = match &*self.body {
            "" => Body::None,
            "*" => Body::Whole,
            name if is_identifier(name) => Body::Field(name.into()),
            name => return Err(RuleFault::InvalidBody { field: name.into() }),
        };
        if body != Body::None && matches!(&kind, MethodKind::Exact(Method::GET | Method::HEAD)) {
            return Err(RuleFault::BodyOfGet);
        }
        let response_body = match &*self.response_body {
            "" => None,
            name if is_identifier(name) => Some(name.into()),
            name => return Err(RuleFault::InvalidBody { field: name.into() }),
        };
        let template = Template::parse(path)
            .map_err(|error| RuleFault::Template { template: clipped(path), error })?;
        Ok(Binding { kind, template, body, response_body })
    }
}

/// Reports whether a text can be the name of a field.
fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Returns a template for an error: the whole of one that has a valid length.
fn clipped(template: &str) -> Box<str> {
    match template.char_indices().nth(Template::MAX_LENGTH) {
        Some((end, _)) => template[..end].into(),
        None => template.into(),
    }
}
