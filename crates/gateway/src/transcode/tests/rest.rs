//! The parts of a REST call: paths, queries, bodies of one field, and field masks.

use super::super::{
    FieldPath, ParseOptions, PrintOptions, Problem, body_to_wire, field_to_json, mask_of_body,
    put_mask,
};
use super::fixtures::Type;
use crate::route::binding::{Bindings, UnknownNames};

fn path(text: &str) -> FieldPath {
    let Type { tables, id } = Type::all();
    FieldPath::new(tables, id, text).unwrap()
}

/// Binds parameters of a query in turn; returns the JSON that they make, or the error.
fn bound(parameters: &[(&str, &str)]) -> Result<String, String> {
    let Type { tables, id } = Type::all();
    let mut bindings = Bindings::new(tables, id).unknown_names(UnknownNames::Refuse);
    for (name, text) in parameters {
        bindings.bind_parameter(name, text).map_err(|error| error.to_string())?;
    }
    let options = ParseOptions::default().ignore_unknown(false).write_zeros(true);
    let wire =
        Type::all().parse_with(&bindings.to_json(), &options).map_err(|error| error.to_string())?;
    Type::all().print(&wire).map_err(|error| error.to_string())
}

#[test]
fn a_name_with_brackets_is_a_field_before_it_is_a_key() {
    let Type { tables, id } = Type::named("mapping.Brackets");
    let mut bindings = Bindings::new(tables, id).unknown_names(UnknownNames::Refuse);
    for (name, value) in [("search[text]", "a"), ("search[other]", "b")] {
        bindings.bind_parameter(name, value).unwrap();
    }
    assert_eq!(bindings.to_json(), r#"{"search[text]":"a","search":{"other":"b"}}"#);
}

#[test]
fn text_becomes_the_value_of_any_field() {
    for (name, text, json) in [
        ("i32", "-5", r#"{"i32":-5}"#),
        ("u64", "18446744073709551615", r#"{"u64":"18446744073709551615"}"#),
        ("sub.child.b", "x", r#"{"sub":{"child":{"b":"x"}}}"#),
        ("snakeCaseName", "x", r#"{"snakeCaseName":"x"}"#),
        ("snake_case_name", "x", r#"{"snakeCaseName":"x"}"#),
        ("bo", "1", r#"{"bo":true}"#),
        ("bo", "T", r#"{"bo":true}"#),
        ("en", "E_ONE", r#"{"en":"E_ONE"}"#),
        ("en", "9", r#"{"en":9}"#),
        ("by", "_-8", r#"{"by":"/+8="}"#),
        ("db", "NaN", r#"{"db":"NaN"}"#),
        ("ri", "7", r#"{"ri":[7]}"#),
        ("ms[a]", "1", r#"{"ms":{"a":1}}"#),
        ("ms[]", "1", r#"{"ms":{"":1}}"#),
        ("mb[true]", "x", r#"{"mb":{"true":"x"}}"#),
        ("oi", "0", r#"{"oi":0}"#),
        ("os", "", r#"{"os":""}"#),
        ("ts", "2026-01-02T03:04:05Z", r#"{"ts":"2026-01-02T03:04:05Z"}"#),
        ("du", "1.5s", r#"{"du":"1.500s"}"#),
        ("du", "1m30s", r#"{"du":"90s"}"#),
        (
            "fm",
            "sub.a,snakeCaseName,snake_case_name",
            r#"{"fm":"sub.a,snakeCaseName,snakeCaseName"}"#,
        ),
        ("wi", "0", r#"{"wi":0}"#),
        ("ws", "", r#"{"ws":""}"#),
        ("va", r#"{"a":1}"#, r#"{"va":{"a":1}}"#),
        ("sr", r#"{"a":[]}"#, r#"{"sr":{"a":[]}}"#),
    ] {
        assert_eq!(bound(&[(name, text)]).unwrap(), json, "{name}={text}");
    }
}

#[test]
fn text_that_does_not_fit_is_refused() {
    for (name, text) in [
        ("i32", "x"),
        ("i32", ""),
        ("u32", "-1"),
        ("bo", "maybe"),
        ("en", "e_one"),
        ("by", "*"),
        ("ts", "yesterday"),
        ("sub", "x"),
        ("an", "{}"),
        ("an.typeUrl", "x"),
        ("rm", "x"),
        ("rm.a", "1"),
        ("st.x", "1"),
        ("ts.seconds", "1"),
        ("sub.zzz", "1"),
        ("ms", "1"),
        ("st[a]", "1"),
        ("mb[2]", "x"),
    ] {
        assert!(bound(&[(name, text)]).is_err(), "{name}={text}");
    }
}

#[test]
fn parameters_that_contradict_each_other_are_refused() {
    assert!(bound(&[("i32", "1"), ("i32", "1")]).is_err());
    assert!(bound(&[("ms[a]", "1"), ("ms[a]", "2")]).is_err());
    assert!(bound(&[("oa", "x"), ("ob", "2")]).is_err());
    let fit =
        [("om.a", "1"), ("om.b", "x"), ("ri", "1"), ("ri", "1"), ("ms[a]", "1"), ("ms[b]", "2")];
    let json = r#"{"ri":[1,1],"ms":{"a":1,"b":2},"om":{"a":1,"b":"x"}}"#;
    assert_eq!(bound(&fit).unwrap(), json);
}

#[test]
fn a_path_wins_over_the_body_before_it_even_with_zero() {
    let body = r#"{"i32":5,"st":"x","bo":true,"wi":5,"ws":"x","ts":"1970-01-01T00:00:01.5Z","sub":{"a":5,"b":"x"}}"#;
    let path =
        r#"{"i32":0,"st":"","bo":false,"wi":0,"ws":"","ts":"1970-01-01T00:00:00Z","sub":{"a":0}}"#;
    let mut wire = Type::all().parse(body).unwrap();
    wire.extend(Type::all().parse_with(path, &ParseOptions::default().write_zeros(true)).unwrap());
    let merged = r#"{"sub":{"b":"x"},"ts":"1970-01-01T00:00:00Z","wi":0,"ws":""}"#;
    assert_eq!(Type::all().print(&wire).unwrap(), merged);
}

#[test]
fn paths_of_fields_are_checked() {
    let Type { tables, id } = Type::all();
    for (text, message) in [
        ("sub.zzz", "sub.zzz: unknown field"),
        ("", "unknown field"),
        ("rm.a", "rm.a: expected a message in the path, found another type"),
        ("st.x", "st.x: expected a message in the path, found another type"),
        ("ts.seconds", "ts.seconds: expected a message in the path, found another type"),
    ] {
        assert_eq!(FieldPath::new(tables, id, text).unwrap_err().to_string(), message);
    }
    let deep = format!("sub{}", ".child".repeat(40));
    let error = FieldPath::new(tables, id, &deep).unwrap_err();
    assert_eq!(error.problem(), Problem::TooDeep { limit: 32 });
    assert!(path("ri").is_repeated(tables) && path("ri").message(tables).is_none());
    assert_eq!(path("sub").message(tables), Some(Type::named("mapping.Sub").id));
}

#[test]
fn a_body_can_be_one_field() {
    let Type { tables, .. } = Type::all();
    for (name, body, json) in [
        ("sub", r#" {"a":1} "#, r#"{"sub":{"a":1}}"#),
        ("sub.child", r#"{"a":1}"#, r#"{"sub":{"child":{"a":1}}}"#),
        ("ri", "[1,2]", r#"{"ri":[1,2]}"#),
        ("ms", r#"{"a":1}"#, r#"{"ms":{"a":1}}"#),
        ("st", r#""x""#, r#"{"st":"x"}"#),
        ("va", "null", r#"{"va":null}"#),
        ("sub", "null", "{}"),
        ("sub.child", "null", "{}"),
    ] {
        let mut wire = Vec::new();
        body_to_wire(tables, &path(name), body.as_bytes(), &mut wire, &ParseOptions::default())
            .unwrap();
        assert_eq!(Type::all().print(&wire).unwrap(), json, "{name}: {body}");
    }
    for (name, body) in [("sub", "[]"), ("sub", "{} {}"), ("sub", ""), ("ri", "5")] {
        let mut wire = b"x".to_vec();
        let path = path(name);
        let options = ParseOptions::default();
        assert!(body_to_wire(tables, &path, body.as_bytes(), &mut wire, &options).is_err());
        assert_eq!(wire, b"x");
    }
}

#[test]
fn a_response_body_can_be_one_field() {
    let Type { tables, .. } = Type::all();
    let json = r#"{"i32":3,"st":"x","ri":[1,2],"sub":{"a":1},"ms":{"k":1}}"#;
    let twice =
        [Type::all().parse(json).unwrap(), Type::all().parse(r#"{"sub":{"b":"y"}}"#).unwrap()];
    for (name, body) in [
        ("i32", "3"),
        ("st", r#""x""#),
        ("ri", "[1,2]"),
        ("sub", r#"{"a":1,"b":"y"}"#),
        ("sub.b", r#""y""#),
        ("ms", r#"{"k":1}"#),
        ("rs", "[]"),
        ("mm", "{}"),
        ("db", "0"),
        ("osub", "{}"),
        ("ts", "null"),
        ("osub.b", r#""""#),
    ] {
        let mut out = Vec::new();
        field_to_json(tables, &path(name), &twice.concat(), &mut out, &PrintOptions::default())
            .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), body, "{name}");
    }
}

#[test]
fn the_mask_of_a_patch_is_what_its_body_sets() {
    let Type { tables, id } = Type::all();
    let mask = |json: &str| mask_of_body(tables, id, json.as_bytes(), &ParseOptions::default());
    let json = r#"{"sub":{"child":{"a":1,"b":null}},"st":"","snakeCaseName":"x","ri":[1],"ms":{"a":1},
        "sr":{"x":{"y":1},"z":{}},"va":{"k":[{}]},"an":{"@type":"x/mapping.Sub"},"osub":{},
        "ts":"1970-01-01T00:00:00Z","unknown":{"a":1},"om":null}"#;
    let expected = [
        "an",
        "ms",
        "om",
        "osub",
        "ri",
        "snake_case_name",
        "sr.x.y",
        "sr.z",
        "st",
        "sub.child.a",
        "sub.child.b",
        "ts",
        "va.k",
    ];
    assert_eq!(mask(json).unwrap(), expected);
    assert_eq!(mask("{}").unwrap(), Vec::<String>::new());
    assert!(mask("{").is_err());
    let strict = ParseOptions::default().ignore_unknown(false);
    assert!(mask_of_body(tables, id, br#"{"unknown":1}"#, &strict).is_err());
    let small = ParseOptions::default().max_output(8);
    let error = mask_of_body(tables, id, json.as_bytes(), &small).unwrap_err();
    assert_eq!(error.problem(), Problem::TooLarge { limit: 8 });

    let only = FieldPath::of_only_mask(tables, id).unwrap();
    assert_eq!(only.text(), "fm");
    let mut wire = Vec::new();
    put_mask(tables, &only, &["a_b".to_owned(), "c".to_owned()], &mut wire);
    assert_eq!(Type::all().print(&wire).unwrap(), r#"{"fm":"aB,c"}"#);
    assert_eq!(FieldPath::of_only_mask(tables, Type::legacy().id), None);
}
