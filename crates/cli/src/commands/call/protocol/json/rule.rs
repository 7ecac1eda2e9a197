//! HTTP rules the other way around: from a request message to method, path, query and body.

use serde_json::value::RawValue;
use sockeye::http::Method;
use sockeye_gateway::descriptor::{EnumId, MessageId};
use sockeye_gateway::route::binding::{FieldKind, Schema as _};
use sockeye_gateway::route::{MethodKind, Router, Segment, Template};
use sockeye_gateway::rules::{Binding, Body, annotation_rules};
use sockeye_gateway::transcode::{PrintOptions, Tables, wire_to_json};

use super::node::Node;
use super::query;
use crate::client::Failure;
use crate::commands::call::MAX_MESSAGE;
use crate::commands::call::catalog::CalledMethod;

/// A request of JSON over HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RestRequest {
    pub(super) method: Method,
    /// With the query.
    pub(super) path: String,
    pub(super) body: Option<String>,
}

/// Returns the request by the first rule of the method that the message fits, or by the path of a
/// method without rules.
///
/// # Errors
/// A usage failure with the reason why the message does not fit the first rule.
pub(super) fn bind(method: CalledMethod<'_>, wire: &[u8]) -> Result<RestRequest, Failure> {
    let json = to_json(method, wire)?;
    let mut reason = None;
    for binding in bindings(method) {
        match bind_rule(method, &binding, &json) {
            Ok(request) => return Ok(request),
            Err(problem) => {
                let rule = format!("{} {}", binding.kind, binding.template);
                reason
                    .get_or_insert(format!("the request does not fit the rule {rule}: {problem}"));
            }
        }
    }
    if let Some(reason) = reason {
        return Err(Failure::usage(reason));
    }
    let path = format!("/{}", method.name());
    Ok(RestRequest { method: Method::POST, path, body: Some(json) })
}

/// Returns the method and the path for a stream of requests: only the body has more than one.
pub(super) fn of_stream(method: CalledMethod<'_>) -> Result<(Method, String), Failure> {
    let bindings = bindings(method);
    if bindings.is_empty() {
        return Ok((Method::POST, format!("/{}", method.name())));
    }
    let fitting = bindings.iter().filter(|binding| binding.body == Body::Whole);
    let mut paths = fitting.filter_map(|binding| {
        let path = expand(&binding.template, &[]).ok()?;
        Some((http_method(binding), path))
    });
    paths.next().ok_or_else(|| {
        Failure::usage(format!(
            "no HTTP rule of {} takes a stream of requests; use another --protocol",
            method.name()
        ))
    })
}

/// Returns the JSON of a request message.
pub(super) fn to_json(method: CalledMethod<'_>, wire: &[u8]) -> Result<String, Failure> {
    let options = PrintOptions::default().max_output(8 * MAX_MESSAGE);
    let mut json = Vec::new();
    wire_to_json(method.schema.tables(), method.descriptor.input, wire, &mut json, &options)
        .map_err(|error| Failure::usage(format!("the request cannot be sent as JSON: {error}")))?;
    Ok(String::from_utf8_lossy(&json).into_owned())
}

fn bindings(method: CalledMethod<'_>) -> Vec<Binding> {
    let full_name = format!("{}.{}", method.service.full_name, method.descriptor.name);
    annotation_rules(&full_name, &method.descriptor.options).bindings
}

fn http_method(binding: &Binding) -> Method {
    match &binding.kind {
        MethodKind::Exact(method) => method.clone(),
        MethodKind::Any if binding.body == Body::None => Method::GET,
        MethodKind::Any => Method::POST,
    }
}

fn bind_rule(
    method: CalledMethod<'_>,
    binding: &Binding,
    json: &str,
) -> Result<RestRequest, String> {
    let (tables, input) = (method.schema.tables(), method.descriptor.input);
    let unknown = |field: &str| format!("the message has no field {field}");
    let json: &RawValue = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let mut tree = Node::parse(json).map_err(|error| error.to_string())?;
    let mut values = Vec::new();
    for variable in binding.template.variables() {
        let field = variable.field_path();
        let (names, kind) = find(tables, input, field).ok_or_else(|| unknown(field))?;
        values.push(match tree.take(&names) {
            Some(Node::Value(json)) => query::text(&json),
            Some(Node::Object(_)) => return Err(format!("{field} is no text")),
            None => {
                zero(kind).ok_or_else(|| format!("the path needs the field {field}"))?.to_owned()
            }
        });
    }
    let path = expand(&binding.template, &values)?;
    let http_method = http_method(binding);
    check(binding, &http_method, &path, &values)?;
    let body = match &binding.body {
        Body::None => None,
        Body::Whole => {
            return Ok(RestRequest { method: http_method, path, body: Some(tree.to_json()) });
        }
        Body::Field(field) => {
            let (names, _) = find(tables, input, field).ok_or_else(|| unknown(field))?;
            tree.take(&names).map(|body| body.to_json())
        }
    };
    let query = query::write(tables, input, &tree)?;
    let path = if query.is_empty() { path } else { format!("{path}?{query}") };
    Ok(RestRequest { method: http_method, path, body })
}

/// Finds a field by its path: returns the names in JSON and the type.
fn find<'t>(
    tables: &'t Tables,
    mut id: MessageId,
    path: &str,
) -> Option<(Vec<&'t str>, FieldKind<MessageId, EnumId>)> {
    let mut names = Vec::new();
    let mut parts = path.split('.').peekable();
    loop {
        let field = tables.field(id, parts.next()?)?;
        names.push(field.json_name);
        match (parts.peek(), field.kind) {
            (None, kind) => return Some((names, kind)),
            (Some(_), FieldKind::Message(inner)) => id = inner,
            (Some(_), _) => return None,
        }
    }
}

/// Returns the text of a zero value, which JSON leaves out; `None` if it is empty or a message.
fn zero(kind: FieldKind<MessageId, EnumId>) -> Option<&'static str> {
    match kind {
        FieldKind::Bool => Some("false"),
        FieldKind::Int32
        | FieldKind::Int64
        | FieldKind::Uint32
        | FieldKind::Uint64
        | FieldKind::Float
        | FieldKind::Double
        | FieldKind::Enum(_) => Some("0"),
        _ => None,
    }
}

/// Returns the path of a template for the values of its variables.
fn expand(template: &Template, values: &[String]) -> Result<String, String> {
    let mut path = String::new();
    let mut variables = template.variables().iter().zip(values).peekable();
    let mut place = 0;
    while let Some(segment) = template.segments().get(place) {
        path.push('/');
        match (variables.next_if(|(variable, _)| variable.range().start == place), segment) {
            (Some((variable, value)), _) if variable.is_multi() => {
                query::push_segments(value, &mut path);
                place = variable.range().end;
            }
            (Some((variable, value)), _) => {
                query::push_encoded(value, "", &mut path);
                place = variable.range().end;
            }
            (None, Segment::Literal(literal)) => {
                query::push_segments(literal, &mut path);
                place += 1;
            }
            (None, _) => return Err("its path has a wildcard without a field".to_owned()),
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    if let Some(verb) = template.verb() {
        path.push(':');
        query::push_segments(verb, &mut path);
    }
    Ok(path)
}

/// Checks that the server gets the values from the path by this rule.
fn check(binding: &Binding, method: &Method, path: &str, values: &[String]) -> Result<(), String> {
    let mut router = Router::default();
    let inserted = router.insert(binding.kind.clone(), binding.template.clone(), ());
    inserted.map_err(|error| error.to_string())?;
    let found = router.find(method, path).ok();
    let fits = found.is_some_and(|found| {
        found.bindings().map(|binding| binding.value).eq(values.iter().map(String::as_str))
    });
    if fits { Ok(()) } else { Err(format!("{} would be another path", values.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(template: &str, values: &[&str]) -> Result<String, String> {
        let template = Template::parse(template).unwrap();
        let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
        let path = expand(&template, &values)?;
        let kind = MethodKind::Exact(Method::GET);
        let binding = Binding { kind, template, body: Body::None, response_body: None };
        check(&binding, &Method::GET, &path, &values).map(|()| path)
    }

    #[test]
    fn a_path_has_the_values_of_its_variables() {
        for (template, values, expected) in [
            ("/", &[][..], "/"),
            ("/v1/echo/{text}", &["a/b ü:c"], "/v1/echo/a%2Fb%20%C3%BC%3Ac"),
            ("/v1/{name=shelves/*}:read", &["shelves/a:b"], "/v1/shelves/a:b:read"),
            ("/v1/{name=**}", &["a/b c/d"], "/v1/a/b%20c/d"),
            ("/v1/{a}/x/{b.c}", &["1", "2"], "/v1/1/x/2"),
        ] {
            assert_eq!(path(template, values).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        for (template, values) in [
            ("/v1/{name=shelves/*}", &["books/1"][..]),
            ("/v1/{name=shelves/*}", &["shelves/1/2"]),
            ("/v1/echo/{text}", &[""]),
            ("/v1/*/x", &[]),
        ] {
            assert!(path(template, values).is_err(), "{template}");
        }
    }
}
