//! The cases of `json_mapping.txt`, and those that a line cannot hold.

use super::super::Problem;
use super::fixtures::Type;

/// The cases: what they are about, the JSON, and the expectation.
fn cases() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut cases = Vec::new();
    let mut lines = include_str!("json_mapping.txt").lines();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (about, json) = line.split_once(": ").unwrap();
        cases.push((about, json, lines.next().unwrap()));
    }
    cases
}

#[test]
fn every_case_of_the_mapping_has_its_result() {
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() > 120);
    for (about, json, expected) in cases {
        let all = Type::all();
        let result = match all.parse(json) {
            Ok(wire) => format!("= {}", all.print(&wire).unwrap()),
            Err(error) => format!("! {error}"),
        };
        let right = match expected.strip_prefix("! ") {
            Some(part) => result.starts_with('!') && result.contains(part),
            None => result == expected,
        };
        if !right {
            wrong.push(format!("{about}: {json}\n{result}\nexpected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A message means the same after it was written anew.
#[test]
fn what_is_parsed_is_canonical_but_for_the_order() {
    for (_, json, expected) in cases() {
        if expected.starts_with('=') {
            let all = Type::all();
            let wire = all.parse(json).unwrap();
            let rewritten = all.rewrite(&wire).unwrap();
            assert_eq!(rewritten.len(), wire.len(), "{json}");
            assert_eq!(all.print(&rewritten).unwrap(), all.print(&wire).unwrap());
        }
    }
}

#[test]
fn raw_control_characters_are_refused() {
    let error = Type::all().parse("{\"st\":\"a\nb\"}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "st: invalid JSON, expected no raw control character in a string (byte 8)"
    );
}

#[test]
fn keys_that_are_no_numbers_are_refused() {
    for key in ["", "-", "!", "1,", "1 ", "+1", "01", "1.5", "0x1", "é"] {
        let error = Type::all().parse(&format!("{{\"mi\":{{\"{key}\":\"x\"}}}}")).unwrap_err();
        assert!(matches!(error.problem(), Problem::Value { .. }), "{key}: {error}");
    }
}

#[test]
fn messages_nest_100_deep_and_no_deeper() {
    let nested = |levels: usize| {
        let inner = "{\"child\":".repeat(levels - 2);
        format!("{{\"sub\":{inner}{{}}{}", "}".repeat(levels - 1))
    };
    let wire = Type::all().parse(&nested(100)).unwrap();
    assert_eq!(Type::all().print(&wire).unwrap(), nested(100));
    assert!(Type::all().rewrite(&wire).is_ok());
    let error = Type::all().parse(&nested(101)).unwrap_err();
    assert!(error.to_string().contains(".child: nested more than 100 deep (byte "), "{error}");

    let lists = |levels: usize| format!("{{\"va\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let wire = Type::all().parse(&lists(99)).unwrap();
    assert_eq!(Type::all().print(&wire).unwrap(), lists(99));
    assert!(Type::all().parse(&lists(100)).is_err());
    let unknown = |levels: usize| lists(levels).replace("va", "unknown");
    let options = super::super::ParseOptions::default();
    assert!(Type::all().parse_with(&unknown(99), &options).is_ok());
    assert!(Type::all().parse_with(&unknown(100), &options).is_err());
}

#[test]
fn many_keys_are_compared_too() {
    let entries: Vec<String> = (0..100).map(|key| format!("\"{key}\":{key}")).collect();
    let json = format!("{{\"ms\":{{{}}}}}", entries.join(","));
    assert_eq!(Type::all().print(&Type::all().parse(&json).unwrap()).unwrap(), json);
    let twice = json.replace("\"99\"", "\"\\u0031\"");
    assert!(Type::all().parse(&twice).is_err());
    let numbers = json.replace("\"ms\"", "\"mi\"").replace("\":", "\":\"").replace(',', "\",");
    let numbers = numbers.replacen(":\"{", ":{", 1).replacen("}}", "\"}}", 1);
    assert!(Type::all().parse(&numbers).is_ok(), "{numbers}");
    assert!(Type::all().parse(&numbers.replace("\"99\":", "\"1.0\":")).is_err());
}

#[test]
fn errors_name_the_field_and_the_place() {
    for (json, message) in [
        (
            r#"{"mm":{"a":{"child":{"a":"x"}}}}"#,
            "mm[\"a\"].child.a: expected an integer from -2147483648 to 2147483647 (byte 25)",
        ),
        (r#"{"rm":[{},{"b":1}]}"#, "rm[1].b: expected a string, found a number (byte 15)"),
        (
            r#"{"sr":{"a":[1,{"b":1e999}]}}"#,
            "sr[\"a\"][1][\"b\"]: expected a number in the range of a double (byte 19)",
        ),
        (r#"{"nope":1}"#, "nope: unknown field (byte 1)"),
        (r#"{"a\u0000b":1}"#, "a\\0b: unknown field (byte 1)"),
        (r#"{"oa":"","ob":0}"#, "ob: another field of the same oneof is set (byte 9)"),
        (
            r#"{"an":{"@type":"x/mapping.Sub","child":{"a":[]}}}"#,
            "an.child.a: expected an integer from -2147483648 to 2147483647, found an array (byte 44)",
        ),
    ] {
        assert_eq!(Type::all().parse(json).unwrap_err().to_string(), message);
    }
    let long = format!("{{\"{}\":1}}", "é".repeat(1000));
    assert!(Type::all().parse(&long).unwrap_err().to_string().len() < 100);
}

#[test]
fn unknown_fields_and_enum_names_are_ignored_if_that_is_allowed() {
    let options = super::super::ParseOptions::default();
    for (json, printed) in [
        (r#"{"nope":{"a":[1,"x"]},"i32":1}"#, r#"{"i32":1}"#),
        (r#"{"en":"NOPE"}"#, "{}"),
        (r#"{"re":["E_ONE","NOPE","E_ZERO"]}"#, r#"{"re":["E_ONE","E_ZERO"]}"#),
        (r#"{"re":["NOPE"]}"#, "{}"),
        (r#"{"me":{"a":"NOPE","b":"E_ONE"}}"#, r#"{"me":{"b":"E_ONE"}}"#),
        (r#"{"an":{"@type":"x/mapping.Sub","zz":1}}"#, r#"{"an":{"@type":"x/mapping.Sub"}}"#),
    ] {
        let wire = Type::all().parse_with(json, &options).unwrap();
        assert_eq!(Type::all().print(&wire).unwrap(), printed);
    }
    assert!(Type::all().parse_with(r#"{"nope":[1,]}"#, &options).is_err());
    assert!(Type::all().parse_with(r#"{"en":1.5}"#, &options).is_err());
}

#[test]
fn an_any_may_have_its_type_late_but_not_at_every_level() {
    let nested = |levels: usize| {
        let mut json = r#"{"a":1,"@type":"x/mapping.Sub"}"#.to_owned();
        for _ in 0..levels {
            json = format!(r#"{{"value":{json},"@type":"x/google.protobuf.Any"}}"#);
        }
        format!(r#"{{"an":{json}}}"#)
    };
    assert!(Type::all().parse(&nested(5)).is_ok());
    let error = Type::all().parse(&nested(90)).unwrap_err();
    assert_eq!(error.problem(), Problem::LateType);
}

#[test]
fn an_any_is_refused_without_a_type_or_a_value() {
    for json in [
        r#"{"an":{"a":1}}"#,
        r#"{"an":{"@type":"x/google.protobuf.Duration"}}"#,
        r#"{"an":{"@type":"mapping.Sub"}}"#,
        r#"{"an":{"@type":""}}"#,
        r#"{"an":{"@type":1}}"#,
        r#"{"an":{"@type":"x/mapping.Sub","@type":"x/mapping.Sub"}}"#,
        r#"{"an":{"@type":"x/google.protobuf.Duration","value":"1s","value":"1s"}}"#,
    ] {
        assert!(Type::all().parse(json).is_err(), "{json}");
    }
    for json in [
        r#"{"an":{}}"#,
        r#"{"an":{"@type":"x/google.protobuf.Empty"}}"#,
        r#"{"an":{"@type":"x/google.protobuf.Int32Value","value":5}}"#,
        r#"{"an":{"@type":"x/google.protobuf.Struct","value":{"a":null}}}"#,
    ] {
        assert_eq!(Type::all().print(&Type::all().parse(json).unwrap()).unwrap(), json);
    }
}
