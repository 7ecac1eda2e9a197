use std::collections::BTreeMap;

use http::Method;
use proptest::prelude::*;

use crate::route::{
    EscapeError, MethodKind, MultiSegmentDecoding, RouteError, Router, RouterOptions, Segment,
    Template,
};

const GET: MethodKind = MethodKind::Exact(Method::GET);

fn router(options: RouterOptions, templates: &[&str]) -> Router<()> {
    let mut router = Router::new(options);
    for template in templates {
        router.insert(GET, Template::parse(template).unwrap(), ()).unwrap();
    }
    router
}

fn index(templates: &[&str], path: &str) -> Option<usize> {
    let router = router(RouterOptions::default(), templates);
    router.find(&Method::GET, path).ok().map(|found| found.index())
}

fn only_value(options: RouterOptions, template: &str, path: &str) -> Result<String, RouteError> {
    let router = router(options, &[template]);
    let found = router.find(&Method::GET, path)?;
    Ok(found.bindings().next().unwrap().value.into_owned())
}

#[test]
fn options_choose_which_escapes_several_segments_keep() {
    let value = |multi_segment_decoding| {
        let options = RouterOptions { multi_segment_decoding, ..RouterOptions::default() };
        only_value(options, "/{a=**}", "/x%2fy/%3A%20").unwrap()
    };
    assert_eq!(value(MultiSegmentDecoding::KeepReserved), "x%2fy/%3A ");
    assert_eq!(value(MultiSegmentDecoding::KeepSlash), "x%2fy/: ");
    assert_eq!(value(MultiSegmentDecoding::All), "x/y/: ");
}

#[test]
fn a_trailing_slash_is_ignored_only_on_request() {
    let options = RouterOptions { ignore_trailing_slash: true, ..RouterOptions::default() };
    assert_eq!(only_value(options, "/v1/{id}", "/v1/a/"), Ok("a".into()));
    assert_eq!(only_value(options, "/v1/{id}", "/v1/a//"), Err(RouteError::NotFound));
    assert_eq!(only_value(options, "/v1/{id}", "/v1/"), Err(RouteError::NotFound));
    // The slash is data where a template takes it.
    assert_eq!(only_value(options, "/v1/{id=**}", "/v1/a/"), Ok("a/".into()));
    assert_eq!(index(&["/v1/{id}"], "/v1/a/"), None);
}

#[test]
fn dot_segments_are_refused_only_on_request() {
    let options = RouterOptions { refuse_dot_segments: true, ..RouterOptions::default() };
    for path in ["/v1/..", "/v1/%2e%2E", "/v1/.%2e"] {
        assert_eq!(only_value(options, "/v1/{id}", path), Err(RouteError::DotSegment));
        assert_eq!(only_value(RouterOptions::default(), "/v1/{id}", path), Ok("..".into()));
    }
}

#[test]
fn a_malformed_path_is_an_error_even_where_it_has_no_route() {
    let router = router(RouterOptions::default(), &["/a"]);
    for (path, error) in [
        ("/b/%", EscapeError::Malformed),
        ("/b/%ff/c", EscapeError::NotUtf8),
        ("/a:%zz", EscapeError::Malformed),
    ] {
        assert_eq!(router.find(&Method::GET, path).unwrap_err(), RouteError::Escape(error));
    }
}

#[test]
fn paths_that_are_not_of_slashes_have_no_route() {
    let router = router(RouterOptions::default(), &["/", "/**"]);
    for path in ["", "*", "a"] {
        assert_eq!(router.find(&Method::GET, path).unwrap_err(), RouteError::NotFound);
    }
    assert_eq!(router.find(&Method::GET, "/").unwrap().index(), 0);
    assert_eq!(router.find(&Method::GET, "//").unwrap().index(), 1);
}

#[test]
fn the_longest_verb_wins_and_then_a_verb_over_none() {
    let templates = ["/{a}:y", "/{a}:x:y", "/{a}"];
    assert_eq!(index(&templates, "/1:x:y"), Some(1));
    assert_eq!(index(&templates, "/1:z:y"), Some(0));
    assert_eq!(index(&templates, "/1:y:x"), Some(2));
    assert_eq!(index(&templates[..2], "/:y"), None);
    // An escape in a verb is decoded, and an encoded colon never separates.
    assert_eq!(index(&templates, "/1:%79"), Some(0));
    assert_eq!(index(&templates, "/1%3Ay"), Some(2));
}

#[test]
fn a_multi_wildcard_with_more_segments_after_it_wins() {
    let templates = ["/{a=**}", "/{a=**}/x", "/{a=**}/y/x", "/{a=**}/*/*/*"];
    assert_eq!(index(&templates, "/y/x"), Some(2));
    assert_eq!(index(&templates, "/x"), Some(1));
    assert_eq!(index(&templates, "/a/b/c/y/x"), Some(3));
    assert_eq!(index(&templates, "/"), Some(0));
}

#[test]
fn a_route_of_another_method_does_not_hide_one_with_a_wildcard() {
    let mut router = Router::default();
    let mut insert = |kind, template| {
        router.insert(kind, Template::parse(template).unwrap(), ()).unwrap();
    };
    insert(MethodKind::Exact(Method::POST), "/users/me");
    insert(GET, "/users/{id}");
    insert(MethodKind::Any, "/users/{id}");
    insert(MethodKind::Exact(Method::HEAD), "/head");
    insert(GET, "/head");
    let index = |method, path| router.find(&method, path).unwrap().index();
    assert_eq!(index(Method::GET, "/users/me"), 1);
    assert_eq!(index(Method::HEAD, "/users/me"), 1);
    assert_eq!(index(Method::PUT, "/users/me"), 2);
    assert_eq!(index(Method::HEAD, "/head"), 3);
    assert_eq!(index(Method::GET, "/head"), 4);
}

#[test]
fn a_duplicate_is_refused_and_names_the_route_that_exists() {
    let mut router = Router::default();
    let template = |text| Template::parse(text).unwrap();
    router.insert(GET, template("/v1/{id}"), 1).unwrap();
    let duplicate = router.insert(GET, template("/v1/{name=*}"), 2).unwrap_err();
    assert_eq!(duplicate.existing, 0);
    assert_eq!(duplicate.to_string(), "GET /v1/{name=*} matches the same requests as GET /v1/{id}");
    router.insert(MethodKind::Any, template("/v1/{id}"), 3).unwrap();
    router.insert(GET, template("/v1/{id}:do"), 4).unwrap();
    router.insert(GET, template("/v1/{id=**}"), 5).unwrap();
    assert_eq!(router.routes().len(), 4);
    assert_eq!(*router.find(&Method::GET, "/v1/7").unwrap().value(), 1);
}

/// A template of few literals, so that many templates match a path.
fn template() -> impl Strategy<Value = Template> {
    let segment = prop_oneof![
        4 => Just("a".to_owned()),
        2 => Just("b".to_owned()),
        3 => Just("*".to_owned()),
        2 => Just("**".to_owned()),
    ];
    let segments = proptest::collection::vec(segment, 1..5);
    (segments, proptest::option::weighted(0.3, "[xy]"))
        .prop_map(|(segments, verb)| {
            let verb = verb.map(|verb| format!(":{verb}")).unwrap_or_default();
            format!("/{}{verb}", segments.join("/"))
        })
        .prop_filter_map("two wildcards of several segments", |text| Template::parse(&text).ok())
}

/// Returns the rank of each segment of a path by a template's segments, without a trie: smaller
/// ranks win. `None` if the template does not match.
fn ranks(template: &[Segment], path: &[&str]) -> Option<Vec<(usize, usize)>> {
    match template.split_first() {
        None => path.is_empty().then(Vec::new),
        Some((Segment::Multi, tail)) => {
            let start = path.len().checked_sub(tail.len())?;
            let rest = ranks(tail, &path[start..])?;
            Some([vec![(2, usize::MAX - tail.len())], rest].concat())
        }
        Some((segment, tail)) => {
            let (first, rest) = path.split_first()?;
            let rank = match segment {
                Segment::Literal(literal) if **literal == **first => 0,
                Segment::Single if !first.is_empty() => 1,
                _ => return None,
            };
            Some([vec![(rank, 0)], ranks(tail, rest)?].concat())
        }
    }
}

/// Finds the best template by looking at all of them.
fn model(templates: &[Template], path: &str) -> Option<usize> {
    let split: Vec<_> = path[1..].split('/').collect();
    let (stem, verb) = split.last()?.split_once(':').unzip();
    let without_verb = {
        let mut split = split.clone();
        *split.last_mut()? = stem.unwrap_or_default();
        split
    };
    let best = |verb: Option<&str>, path: &[&str]| {
        let matching = templates.iter().enumerate().filter(|(_, other)| other.verb() == verb);
        let ranked =
            matching.filter_map(|(index, other)| Some((ranks(other.segments(), path)?, index)));
        ranked.min().map(|(_, index)| index)
    };
    verb.and_then(|verb| best(Some(verb), &without_verb)).or_else(|| best(None, &split))
}

proptest! {
    #[test]
    fn the_trie_agrees_with_a_search_of_all_templates(
        templates in proptest::collection::vec(template(), 1..12),
        path in "/[abc](/[abc]?){0,4}(:[xyz])?",
    ) {
        let mut distinct = BTreeMap::new();
        for template in templates {
            distinct.insert(template.to_string(), template);
        }
        let templates: Vec<_> = distinct.into_values().collect();
        let mut router = Router::default();
        for template in &templates {
            router.insert(GET, template.clone(), ()).unwrap();
        }
        let found = router.find(&Method::GET, &path).ok().map(|found| found.index());
        prop_assert_eq!(found, model(&templates, &path));
    }

    #[test]
    fn no_path_panics(path in "/?[a%2Fé:/.]{0,16}") {
        let router = router(
            RouterOptions { ignore_trailing_slash: true, ..RouterOptions::default() },
            &["/", "/{a}", "/{a=**}/a:a", "/a/{b=**/a}", "/{a=a/*/a}:a:a"],
        );
        if let Ok(found) = router.find(&Method::GET, &path) {
            found.bindings().for_each(drop);
        }
    }
}
