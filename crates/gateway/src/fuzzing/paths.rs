//! The properties of templates, routes and queries.

use http::Method;

use super::schema::TYPES;
use crate::route::binding::{Bindings, UnknownNames, parse_query};
use crate::route::{MethodKind, RouteError, Router, Segment, Template, percent};
use crate::transcode::{ParseOptions, json_to_wire};

/// Maximum number of templates of an input: the plain matcher is slow.
const MAX_TEMPLATES: usize = 16;

pub(super) fn check_template(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Some((lines, path)) = text.rsplit_once('\n') else { return };
    let (mut router, mut templates) = (Router::default(), Vec::new());
    for line in lines.split('\n').take(MAX_TEMPLATES) {
        let Ok(template) = Template::parse(line) else { continue };
        assert_eq!(template.as_str(), line);
        assert_eq!(Template::parse(&template.to_string()).as_ref(), Ok(&template));
        let kind = MethodKind::Exact(Method::GET);
        if router.insert(kind, template.clone(), ()).is_ok() {
            templates.push(template);
        }
    }
    let found = router.find(&Method::GET, path);
    if let Ok(found) = &found {
        for binding in found.bindings() {
            assert!(!binding.field_path.is_empty());
        }
    }
    let Some(segments) = segments(path) else {
        assert!(found.is_err());
        return;
    };
    // The plain matcher knows no verbs.
    if templates.iter().any(|template| template.verb().is_some()) {
        return;
    }
    let matches = templates.iter().any(|template| matches(template.segments(), &segments));
    match found {
        Ok(found) => assert!(matches && matches_one(found.template(), &segments)),
        Err(error) => assert!(!matches && error == RouteError::NotFound),
    }
}

fn matches_one(template: &Template, segments: &[String]) -> bool {
    matches(template.segments(), segments)
}

/// Returns the decoded segments of a path; `None` if it has none.
fn segments(path: &str) -> Option<Vec<String>> {
    let rest = path.strip_prefix('/')?;
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let decode = |segment| percent::decode(segment).ok().map(std::borrow::Cow::into_owned);
    rest.split('/').map(decode).collect()
}

/// Returns whether segments match those of a template.
fn matches(template: &[Segment], segments: &[String]) -> bool {
    match (template.split_first(), segments.split_first()) {
        (None, None) => true,
        (Some((Segment::Multi, rest)), _) => {
            (0..=segments.len()).any(|skipped| matches(rest, &segments[skipped..]))
        }
        (Some((Segment::Single, rest)), Some((segment, others))) => {
            !segment.is_empty() && matches(rest, others)
        }
        (Some((Segment::Literal(literal), rest)), Some((segment, others))) => {
            **literal == **segment && matches(rest, others)
        }
        _ => false,
    }
}

pub(super) fn check_query(input: &[u8]) {
    let Some((id, query)) = TYPES.choose(input) else { return };
    let Ok(query) = std::str::from_utf8(query) else { return };
    let Ok(parameters) = parse_query(query) else { return };
    let bind = |unknown| {
        let mut bindings = Bindings::new(&TYPES.tables, id).unknown_names(unknown);
        for (name, value) in &parameters {
            bindings.bind_parameter(name, value).ok()?;
        }
        Some(bindings.to_json())
    };
    let lenient = bind(UnknownNames::Ignore);
    if let Some(strict) = bind(UnknownNames::Refuse) {
        assert_eq!(lenient.as_deref(), Some(strict.as_str()));
    }
    let Some(json) = lenient else { return };
    assert!(serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok());
    let options = ParseOptions::default().write_zeros(true);
    // A value may still be out of range, or of no form of its type.
    let _ = json_to_wire(&TYPES.tables, id, json.as_bytes(), &mut Vec::new(), &options);
}
