use proptest::prelude::*;

use super::*;
use crate::route::tests::message::{PT, Pt, Type};

fn bindings() -> Bindings<'static, Pt> {
    Bindings::new(&PT, Type::P)
}

fn bound(name: &str, value: &str) -> Result<String, BindError> {
    let mut bindings = bindings();
    bindings.bind_parameter(name, value)?;
    Ok(bindings.to_json())
}

fn name(name: &str) -> Box<str> {
    name.into()
}

#[test]
fn each_fault_of_a_name_has_its_error() {
    let error = |name| bound(name, "1").unwrap_err();
    assert_eq!(error("name.a"), BindError::NotAMessage { name: name("name.a") });
    assert_eq!(error("at.seconds"), BindError::NotAMessage { name: name("at.seconds") });
    assert_eq!(error("book"), BindError::IsMessage { name: name("book") });
    assert_eq!(error("books"), BindError::IsMessage { name: name("books") });
    assert_eq!(error("books.name"), BindError::InsideRepeated { name: name("books.name") });
    assert_eq!(error("labels"), BindError::Key { name: name("labels") });
    assert_eq!(error("name[a]"), BindError::Key { name: name("name[a]") });
    assert_eq!(error("tags[]"), BindError::Key { name: name("tags[]") });
}

#[test]
fn unknown_names_are_ignored_or_refused() {
    for unknown in ["zzz", "book.zzz", "book.", ".name", "zzz[a]", "labels[a", "labels[a].b"] {
        assert_eq!(bound(unknown, "1").unwrap(), "{}", "{unknown}");
        let mut strict = bindings().unknown_names(UnknownNames::Refuse);
        let error = strict.bind_parameter(unknown, "1").unwrap_err();
        assert!(matches!(error, BindError::UnknownField { .. }), "{unknown}: {error}");
    }
}

#[test]
fn two_names_of_one_field_are_the_same_field() {
    let mut bindings = bindings();
    bindings.bind_parameter("page_token", "a").unwrap();
    let error = bindings.bind_parameter("pageToken", "b").unwrap_err();
    assert_eq!(error, BindError::Twice { name: name("pageToken") });
}

#[test]
fn an_entry_of_a_map_has_one_value_and_any_key() {
    let mut bindings = bindings();
    bindings.bind_parameter("labels[a.b]]", "1").unwrap();
    bindings.bind_parameter("labels[\"]", "2").unwrap();
    let error = bindings.bind_parameter("labels[\"]", "2").unwrap_err();
    assert_eq!(error, BindError::Twice { name: name("labels[\"]") });
    assert_eq!(bindings.to_json(), r#"{"labels":{"\"":"2","a.b]":"1"}}"#);
}

#[test]
fn a_variable_of_the_path_excludes_its_field_from_the_query() {
    let mut bindings = bindings();
    bindings.bind_variable("book.name", "path").unwrap();
    bindings.bind_parameter("book.name", "query").unwrap();
    bindings.bind_parameter("book.id", "7").unwrap();
    assert_eq!(bindings.to_json(), r#"{"book":{"name":"path","id":"7"}}"#);
}

#[test]
fn the_field_of_the_body_excludes_what_is_in_it() {
    let mut bindings = bindings();
    assert!(bindings.exclude("book"));
    assert!(!bindings.exclude("zzz"));
    bindings.bind_parameter("book.name", "query").unwrap();
    bindings.bind_parameter("book", "query").unwrap();
    bindings.bind_parameter("name", "a").unwrap();
    assert_eq!(bindings.to_json(), r#"{"name":"a"}"#);
}

#[test]
fn a_variable_and_a_parameter_cannot_set_two_members_of_a_oneof() {
    let mut bindings = bindings();
    bindings.bind_variable("left", "a").unwrap();
    let error = bindings.bind_parameter("right", "1").unwrap_err();
    assert_eq!(error, BindError::Oneof { name: name("right") });
}

#[test]
fn variables_are_checked_without_a_value() {
    let check = |field_path| check_variable(&PT, Type::P, field_path);
    for field_path in ["name", "n", "book.author.id", "at", "mask"] {
        assert_eq!(check(field_path), Ok(()), "{field_path}");
    }
    assert_eq!(check("zzz"), Err(BindError::UnknownField { name: name("zzz") }));
    assert_eq!(check("book"), Err(BindError::IsMessage { name: name("book") }));
    assert_eq!(check("tags"), Err(BindError::RepeatedVariable { name: name("tags") }));
    assert_eq!(check("labels"), Err(BindError::RepeatedVariable { name: name("labels") }));
}

#[test]
fn values_are_of_the_type_of_their_field() {
    for (field, value, json) in [
        ("n", "-7", "-7"),
        ("big", "-9223372036854775808", r#""-9223372036854775808""#),
        ("u", "4294967295", "4294967295"),
        ("f", "-0.5e-3", "-0.5e-3"),
        ("f", "-Infinity", r#""-Infinity""#),
        ("flag", "F", "false"),
        ("data", "AA==", r#""AA==""#),
        ("data", "", r#""""#),
        ("color", "-1", "-1"),
        ("any_json", " [1, null] ", "[1, null]"),
        ("mask", "", r#""""#),
        ("mask", "aB.c_d", r#""aB.cD""#),
        ("name", "\"\\\u{0}", r#""\"\\\u0000""#),
    ] {
        let json_name = PT.field(Type::P, field).unwrap().json_name;
        assert_eq!(bound(field, value).unwrap(), format!(r#"{{"{json_name}":{json}}}"#));
    }
}

#[test]
fn values_of_another_type_are_refused() {
    for (field, value) in [
        ("n", "2147483648"),
        ("n", "+1"),
        ("n", " 1"),
        ("n", "1.0"),
        ("n", ""),
        ("big", "9223372036854775808"),
        ("u", "-0x1"),
        ("f", "1e400"),
        ("f", "inf"),
        ("f", "nan"),
        ("f", ".5"),
        ("f", " 1"),
        ("f", "01"),
        ("f", "\"1\""),
        ("data", "a"),
        ("data", "a*b="),
        ("any_json", "{"),
        ("any_json", "1 2"),
        ("any_json", ""),
        ("mask", "a__b"),
        ("mask", "a b"),
        ("wait", "1"),
    ] {
        let error = bound(field, value).unwrap_err();
        assert!(matches!(error, BindError::Value { .. }), "{field}={value}: {error}");
    }
}

#[test]
fn a_query_has_a_bounded_number_of_parameters() {
    let query = |count| vec!["a=1"; count].join("&&");
    assert_eq!(parse_query(&query(MAX_PARAMETERS)).unwrap().len(), MAX_PARAMETERS);
    assert_eq!(parse_query(&query(MAX_PARAMETERS + 1)), Err(QueryError::TooMany));
}

#[test]
fn errors_show_the_beginning_of_a_long_name() {
    let long = "é".repeat(1000);
    let mut strict = bindings().unknown_names(UnknownNames::Refuse);
    let error = strict.bind_parameter(&long, "").unwrap_err();
    assert!(error.to_string().len() < 200, "{error}");
}

proptest! {
    #[test]
    fn no_query_panics_and_bindings_are_json(query in "[a-z.=&%2\\[\\]+]{0,40}") {
        check_json(&query);
    }

    #[test]
    fn queries_of_known_fields_are_json_or_refused(
        parameters in proptest::collection::vec(
            (
                "(name|book(\\.(name|tags|author\\.id))?|tags|labels\\[.\\]|n|wait|mask|left|any_json)",
                "[a-z0-9\"{}\\\\]{0,6}",
            ),
            0..6,
        ),
    ) {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        check_json(&parameters.join("&"));
    }
}

fn check_json(query: &str) {
    let Ok(parameters) = parse_query(query) else { return };
    let mut bindings = bindings();
    for (name, value) in parameters {
        if bindings.bind_parameter(&name, &value).is_err() {
            return;
        }
    }
    serde_json::from_str::<serde_json::Value>(&bindings.to_json()).unwrap();
}
