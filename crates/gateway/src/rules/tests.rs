use http::Method;
use proptest::prelude::*;

use super::*;
use crate::route::{MethodKind, TemplateFault};
use crate::wire::write;

const METHOD: &str = "pkg.Service.Method";

fn rule(fields: &[(u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, value) in fields {
        write::bytes(*number, value, &mut out);
    }
    out
}

fn options(rule: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write::integer(33, 1, &mut out); // deprecated
    write::bytes(HTTP_EXTENSION, rule, &mut out);
    out
}

fn parse(fields: &[(u32, &[u8])]) -> ParsedRules {
    annotation_rules(METHOD, &options(&rule(fields)))
}

fn kinds(bindings: &[Binding]) -> Vec<String> {
    bindings.iter().map(|binding| format!("{} {}", binding.kind, binding.template)).collect()
}

fn faults(parsed: &ParsedRules) -> Vec<(usize, RuleFault)> {
    parsed.errors.iter().map(|error| (error.binding, error.fault.clone())).collect()
}

#[test]
fn a_method_without_the_option_has_no_bindings() {
    assert_eq!(annotation_rules(METHOD, &[]), ParsedRules::default());
    assert_eq!(annotation_rules(METHOD, &[0x88, 2, 1]), ParsedRules::default());
}

#[test]
fn each_kind_of_pattern_is_read() {
    let custom = rule(&[(1, b"PURGE"), (2, b"/f")]);
    let any = rule(&[(1, b"*"), (2, b"/g")]);
    let additional = [
        rule(&[(3, b"/b")]),
        rule(&[(4, b"/c")]),
        rule(&[(5, b"/d")]),
        rule(&[(6, b"/e")]),
        rule(&[(8, &custom)]),
        rule(&[(8, &any)]),
    ];
    let mut fields: Vec<(u32, &[u8])> = vec![(1, b"ignored.Selector"), (2, b"/a")];
    fields.extend(additional.iter().map(|rule| (11, rule.as_slice())));
    let parsed = parse(&fields);
    assert_eq!(parsed.errors, []);
    assert_eq!(
        kinds(&parsed.bindings),
        ["GET /a", "PUT /b", "POST /c", "DELETE /d", "PATCH /e", "PURGE /f", "* /g"]
    );
}

#[test]
fn body_and_response_body_are_read() {
    let additional = rule(&[(4, b"/b"), (7, b"book")]);
    let parsed = parse(&[(4, b"/a"), (7, b"*"), (12, b"book"), (11, &additional)]);
    assert_eq!(parsed.errors, []);
    let [whole, field] = &parsed.bindings[..] else { panic!("{parsed:?}") };
    assert_eq!((&whole.body, whole.response_body.as_deref()), (&Body::Whole, Some("book")));
    assert_eq!((&field.body, field.response_body.as_deref()), (&Body::Field("book".into()), None));
}

#[test]
fn an_option_in_two_parts_is_merged_and_the_last_path_wins() {
    let mut twice = options(&rule(&[(2, b"/a"), (11, &rule(&[(2, b"/x")]))]));
    twice.extend(options(&rule(&[(4, b"/b"), (7, b"*"), (11, &rule(&[(2, b"/y")]))])));
    let parsed = annotation_rules(METHOD, &twice);
    assert_eq!(kinds(&parsed.bindings), ["POST /b", "GET /x", "GET /y"]);
}

#[test]
fn a_faulty_binding_is_left_out_and_the_others_remain() {
    let bad = rule(&[(2, b"/foo*")]);
    let good = rule(&[(2, b"/b")]);
    let nested = rule(&[(2, b"/c"), (11, &rule(&[(2, b"/d")]))]);
    let parsed = parse(&[(2, b"/a"), (11, &bad), (11, &good), (11, &nested), (11, b"")]);
    assert_eq!(kinds(&parsed.bindings), ["GET /a", "GET /b"]);
    assert_eq!(
        parsed.errors[0].to_string(),
        "HTTP rule of pkg.Service.Method, additional binding 1: the path \"/foo*\": \
         column 5: a wildcard must be a whole segment: * or **"
    );
    assert_eq!(faults(&parsed)[1..], [(3, RuleFault::NestedBindings), (4, RuleFault::NoPattern)]);
}

#[test]
fn each_fault_has_its_error() {
    let custom = rule(&[(1, b"A B"), (2, b"/f")]);
    for (fields, fault) in [
        (&[(8, &custom[..])][..], RuleFault::InvalidKind { kind: "A B".into() }),
        (&[(4, b"/a"), (7, b"a.b")], RuleFault::InvalidBody { field: "a.b".into() }),
        (&[(4, b"/a"), (12, b"1")], RuleFault::InvalidBody { field: "1".into() }),
        (&[(2, b"/a"), (7, b"*")], RuleFault::BodyOfGet),
        (&[(2, b"\xff")], RuleFault::Malformed),
        (&[(7, b"*")], RuleFault::NoPattern),
    ] {
        let parsed = parse(fields);
        assert_eq!((faults(&parsed), &parsed.bindings[..]), (vec![(0, fault)], &[][..]));
    }
    assert_eq!(
        faults(&annotation_rules(METHOD, &options(&[0x0a, 9]))),
        [(0, RuleFault::Malformed)]
    );
}

#[test]
fn a_rule_has_a_bounded_number_of_bindings() {
    let additional = rule(&[(2, b"/b")]);
    let mut fields: Vec<(u32, &[u8])> = vec![(2, b"/a")];
    fields.extend(vec![(11, &additional[..]); 1000]);
    let parsed = parse(&fields);
    assert_eq!(parsed.bindings.len(), 128);
    assert_eq!(faults(&parsed), [(128, RuleFault::TooManyBindings)]);
}

#[test]
fn a_file_has_rules_by_selector() {
    let file = RuleFile::from_toml(
        r#"
        type = "google.api.Service"
        config_version = 3

        [http]
        fully_decode_reserved_expansion = true

        [[http.rules]]
        selector = ".pkg.Service.Get"
        get = "/v1/{id}"
        response_body = "book"

        [[http.rules.additional_bindings]]
        custom = { kind = "*", path = "/any" }

        [[http.rules]]
        selector = "pkg.Service.Get"
        put = "/v1/{id}"
        body = "book"
        "#,
    )
    .unwrap();
    assert_eq!(file.faults(), []);
    assert!(file.fully_decode_reserved_expansion());
    assert_eq!(file.selectors().collect::<Vec<_>>(), ["pkg.Service.Get"]);
    let bindings = file.bindings("pkg.Service.Get");
    assert_eq!(kinds(bindings), ["GET /v1/{id}", "* /any", "PUT /v1/{id}"]);
    assert_eq!(bindings[1].kind, MethodKind::Any);
    assert_eq!(bindings[2].kind, MethodKind::Exact(Method::PUT));
    assert_eq!(bindings[2].body, Body::Field("book".into()));
    assert_eq!(file.bindings("pkg.Service.Other"), []);
}

#[test]
fn a_faulty_rule_of_a_file_is_left_out_with_its_line() {
    let file = RuleFile::from_toml(
        "[[http.rules]]\nselector = \"a.B.C\"\nget = \"/v1/**/**\"\n\
         [[http.rules]]\nselector = \"a.B.D\"\nget = \"/d\"\npost = \"/d\"\n\
         [[http.rules]]\nselector = \"a.B.E\"\nget = \"/e\"\nadditional_bindings = [{}, { put = \"/f\" }]\n",
    )
    .unwrap();
    let faults: Vec<_> = file
        .faults()
        .iter()
        .map(|(line, error)| (*line, &*error.method, error.binding, error.fault.clone()))
        .collect();
    let RuleFault::Template { error, .. } = &faults[0].3 else { panic!("{faults:?}") };
    assert_eq!((error.column, error.fault), (8, TemplateFault::SecondMulti));
    assert_eq!((faults[0].0, faults[0].1), (2, "a.B.C"));
    assert_eq!(
        faults[1..],
        [(5, "a.B.D", 0, RuleFault::SecondPattern), (9, "a.B.E", 1, RuleFault::NoPattern),]
    );
    assert_eq!(kinds(file.bindings("a.B.E")), ["GET /e", "PUT /f"]);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_line() {
    for (text, line) in [
        ("http = 1", 1),
        ("[[http.rules]]\nselector = \"a.B.C\"\nfetch = \"/a\"", 3),
        ("[[http.rules]]\nget = \"/a\"", 1),
        ("[[http.rules]]\n\nselector = \"a.B.*\"\nget = \"/a\"", 3),
        ("[[http.rules]]\nselector = \"a/B\"\nget = \"/a\"", 2),
        ("[[http.rules]]\nselector = \"C\"\nget = \"/a\"", 2),
        ("a = ", 1),
    ] {
        let error = RuleFile::from_toml(text).unwrap_err();
        assert_eq!(error.line, Some(line), "{text}: {error}");
    }
    let error = RuleFile::from_toml("[[http.rules]]\nselector = \"C\"").unwrap_err();
    assert_eq!((error.line, error.column), (Some(2), Some(12)));
    assert_eq!(RuleFile::from_toml(""), Ok(RuleFile::default()));
}

proptest! {
    #[test]
    fn no_option_panics(bytes in proptest::collection::vec(any::<u8>(), 0..48)) {
        annotation_rules(METHOD, &bytes);
        annotation_rules(METHOD, &options(&bytes));
    }

    #[test]
    fn every_cut_of_an_option_is_read_or_refused(cut in 0_usize..64) {
        let custom = rule(&[(1, b"PURGE"), (2, b"/f")]);
        let whole = options(&rule(&[(2, b"/a"), (8, &custom), (11, &rule(&[(2, b"/x")]))]));
        annotation_rules(METHOD, &whole[..cut.min(whole.len())]);
    }
}
