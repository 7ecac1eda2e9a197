//! Paths of templates, in OpenAPI's form.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::model::{Parameter, Schema};
use crate::route::{Segment, Template, Variable};

/// The path of a template, and its parameters.
///
/// Each wildcard of the template is a parameter: `/v1/{name=shelves/*}` becomes
/// `/v1/shelves/{name}`, and `/v1/{name=shelves/*/books/*}` becomes
/// `/v1/shelves/{name.1}/books/{name.2}`.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) text: String,
    pub(super) parameters: Vec<PathParameter>,
}

/// The wildcard of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PathParameter {
    pub(super) name: String,
    /// The field to which the segments of the wildcard belong.
    pub(super) field_path: Option<String>,
    /// True if the wildcard is all of the field.
    pub(super) is_whole: bool,
    /// True for `**`: the value may have slashes.
    pub(super) is_multi: bool,
}

impl Path {
    pub(super) fn of(template: &Template) -> Self {
        let segments = template.segments();
        let mut text = String::new();
        let mut parameters: Vec<PathParameter> = Vec::new();
        for (place, segment) in segments.iter().enumerate() {
            text.push('/');
            if let Segment::Literal(literal) = segment {
                put_literal(literal, &mut text);
                continue;
            }
            let variable =
                template.variables().iter().find(|variable| variable.range().contains(&place));
            let parameter = PathParameter {
                name: name_of(variable, place, segments),
                field_path: variable.map(|variable| variable.field_path().to_owned()),
                is_whole: variable.is_some_and(|variable| variable.range().len() == 1),
                is_multi: *segment == Segment::Multi,
            };
            text.push('{');
            text.push_str(&parameter.name);
            text.push('}');
            parameters.push(parameter);
        }
        if text.is_empty() {
            text.push('/');
        }
        if let Some(verb) = template.verb() {
            text.push(':');
            put_literal(verb, &mut text);
        }
        Self { text, parameters }
    }

    /// Replaces the names of the parameters by those of an equal path, if there is one. OpenAPI
    /// takes two paths that differ in these names for one.
    pub(super) fn unify(&mut self, known: &mut HashMap<String, Vec<String>>) {
        let mut anonymous = self.text.clone();
        for parameter in &self.parameters {
            anonymous = anonymous.replacen(&format!("{{{}}}", parameter.name), "{}", 1);
        }
        let names = self.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        let names = known.entry(anonymous.clone()).or_insert(names);
        let mut text = anonymous;
        for (parameter, name) in self.parameters.iter_mut().zip(names) {
            text = text.replacen("{}", &format!("{{{name}}}"), 1);
            parameter.name.clone_from(name);
        }
        self.text = text;
    }
}

impl PathParameter {
    /// Returns the parameter with the schema and the comment of its field.
    pub(super) fn describe(&self, schema: Schema, comment: &str) -> Parameter {
        let mut sentences = Vec::new();
        match &self.field_path {
            Some(field) if !self.is_whole => {
                sentences.push(format!(
                    "A part of the field `{field}`, whose other parts are in the path."
                ));
            }
            Some(field) if *field != self.name => sentences.push(format!("The field `{field}`.")),
            Some(_) => {}
            None => sentences.push("Any segment: the service does not see it.".to_owned()),
        }
        if self.is_multi {
            sentences.push("May contain slashes.".to_owned());
        }
        if !comment.is_empty() {
            sentences.push(comment.to_owned());
        }
        Parameter {
            name: self.name.clone(),
            place: "path",
            description: sentences.join(" "),
            required: true,
            deprecated: false,
            style: None,
            schema: Some(schema),
            content: super::model::Content::new(),
        }
    }
}

/// Returns a name for a wildcard: that of its field, with a number if the field has several.
fn name_of(variable: Option<&Variable>, place: usize, segments: &[Segment]) -> String {
    let Some(variable) = variable else { return format!("segment.{}", place + 1) };
    let range = variable.range();
    let is_wildcard = |segment: &&Segment| !matches!(segment, Segment::Literal(_));
    let wildcards = segments[range.clone()].iter().filter(is_wildcard).count();
    if wildcards == 1 {
        return variable.field_path().to_owned();
    }
    let number = segments[range.start..=place].iter().filter(is_wildcard).count();
    format!("{}.{number}", variable.field_path())
}

/// Writes a decoded literal, with escapes where a path or a template needs them.
fn put_literal(literal: &str, text: &mut String) {
    for byte in literal.bytes() {
        match byte {
            _ if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=@:".contains(&byte) => {
                text.push(char::from(byte));
            }
            _ => {
                // Writing to a string does not fail.
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(template: &str) -> Path {
        Path::of(&Template::parse(template).unwrap())
    }

    #[test]
    fn each_wildcard_is_a_parameter() {
        for (template, expected) in [
            ("/", "/"),
            ("/v1/{id}", "/v1/{id}"),
            ("/v1/{book.name=shelves/*}:read", "/v1/shelves/{book.name}:read"),
            ("/v1/{name=shelves/*/books/*}", "/v1/shelves/{name.1}/books/{name.2}"),
            ("/v1/{path=**}/tail", "/v1/{path}/tail"),
            ("/v1/*/x", "/v1/{segment.2}/x"),
            ("/a%20b/%7Bc%7D", "/a%20b/%7Bc%7D"),
        ] {
            assert_eq!(path(template).text, expected);
        }
        let parts = path("/v1/{name=shelves/*/**}").parameters;
        assert!(!parts[0].is_whole && !parts[0].is_multi && parts[1].is_multi);
        assert!(path("/v1/{name}").parameters[0].is_whole);
        assert!(!path("/v1/{name=shelves/*}").parameters[0].is_whole);
    }

    #[test]
    fn equal_paths_have_the_names_of_the_first() {
        let mut known = HashMap::new();
        let mut first = path("/v1/{id}/x/{other}");
        first.unify(&mut known);
        assert_eq!(first.text, "/v1/{id}/x/{other}");
        let mut second = path("/v1/{name}/x/{id}");
        second.unify(&mut known);
        assert_eq!(second.text, "/v1/{id}/x/{other}");
        assert_eq!(second.parameters[0].name, "id");
        assert_eq!(second.parameters[0].field_path.as_deref(), Some("name"));
    }
}
