//! Runs every case of `tests/data/path_templates.toml`.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::message::{PT, Type, canonical};
use crate::route::binding::{Bindings, parse_query};
use crate::route::{MethodKind, RouteError, Router, Template};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    template: Vec<TemplateCase>,
    route: Vec<RouteCase>,
    query: Vec<QueryCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateCase {
    id: String,
    text: String,
    valid: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteCase {
    id: String,
    routes: Vec<String>,
    request: String,
    index: Option<usize>,
    #[serde(default)]
    bindings: BTreeMap<String, String>,
    status: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryCase {
    id: String,
    query: String,
    json: Option<String>,
}

fn cases() -> Cases {
    toml::from_str(include_str!("../../../tests/data/path_templates.toml")).unwrap()
}

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

fn router(routes: &[String]) -> Router<()> {
    let mut table = Router::default();
    for route in routes {
        let (kind, template) = route.split_once(' ').unwrap();
        let kind = if kind == "*" { MethodKind::Any } else { MethodKind::Exact(method(kind)) };
        table.insert(kind, Template::parse(template).unwrap(), ()).unwrap();
    }
    table
}

#[test]
fn every_template_is_accepted_or_refused_as_expected() {
    let cases = cases().template;
    assert_eq!(cases.len(), 33);
    for TemplateCase { id, text, valid } in cases {
        let template = Template::parse(&text);
        assert_eq!(template.is_ok(), valid, "{id}: {text}: {template:?}");
    }
}

#[test]
fn every_request_has_the_route_and_bindings_that_are_expected() {
    let cases = cases().route;
    assert_eq!(cases.len(), 50);
    for RouteCase { id, routes, request, index, bindings, status } in cases {
        let router = router(&routes);
        let (name, path) = request.split_once(' ').unwrap();
        match router.find(&method(name), path) {
            Ok(found) => {
                assert_eq!((Some(found.index()), None), (index, status), "{id}");
                let found: BTreeMap<_, _> = found
                    .bindings()
                    .map(|binding| (binding.field_path.to_owned(), binding.value.into_owned()))
                    .collect();
                assert_eq!(found, bindings, "{id}");
            }
            Err(error) => {
                assert_eq!((None, Some(error.status().as_u16())), (index, status), "{id}: {error}");
            }
        }
    }
}

#[test]
fn every_variable_of_the_routes_can_be_bound() {
    for RouteCase { id, bindings, .. } in cases().route {
        let mut bound = Bindings::new(&PT, Type::P);
        for (field_path, value) in bindings {
            bound
                .bind_variable(&field_path, &value)
                .unwrap_or_else(|error| panic!("{id}: {error}"));
        }
    }
}

#[test]
fn every_query_becomes_the_message_that_is_expected() {
    let cases = cases().query;
    assert_eq!(cases.len(), 40);
    for QueryCase { id, query, json } in cases {
        match (bind(&query), json) {
            (Ok(found), Some(expected)) => {
                let expected: Value = serde_json::from_str(&expected).unwrap();
                assert_eq!(canonical(found), canonical(expected), "{id}: {query}");
            }
            (Err(_), None) => {}
            (found, expected) => panic!("{id}: {query}: {found:?} instead of {expected:?}"),
        }
    }
}

fn bind(query: &str) -> Result<Value, String> {
    let mut bindings = Bindings::new(&PT, Type::P);
    for (name, value) in parse_query(query).map_err(|error| error.to_string())? {
        bindings.bind_parameter(&name, &value).map_err(|error| error.to_string())?;
    }
    Ok(serde_json::from_str(&bindings.to_json()).unwrap())
}

#[test]
fn a_path_without_the_method_names_those_that_it_has() {
    let router = router(&["GET /v1/a".into(), "POST /v1/{x}".into(), "PUT /v1/**".into()]);
    let Err(RouteError::MethodNotAllowed(allowed)) = router.find(&Method::DELETE, "/v1/a") else {
        panic!("DELETE has no route");
    };
    assert_eq!(allowed.header(), "GET, HEAD, POST, PUT");
}
