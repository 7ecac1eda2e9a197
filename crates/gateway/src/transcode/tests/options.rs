use super::super::{ParseOptions, PrintOptions, Problem, UnknownAny, Unpopulated};
use super::fixtures::{Type, field};

#[test]
fn unset_fields_are_printed_as_the_option_says() {
    let sub = Type::named("mapping.Sub");
    let print = |unpopulated| {
        sub.print_with(b"\x08\x00", &PrintOptions::default().unpopulated(unpopulated)).unwrap()
    };
    assert_eq!(print(Unpopulated::Omit), "{}");
    assert_eq!(print(Unpopulated::Defaults), r#"{"a":0,"b":""}"#);
    assert_eq!(print(Unpopulated::Nulls), r#"{"a":0,"b":"","child":null}"#);
    assert_eq!(sub.print_with(b"", &PrintOptions::rest()).unwrap(), print(Unpopulated::Nulls));
    let all = Type::all().print_with(b"", &PrintOptions::rest()).unwrap();
    for part in [
        r#""i64":"0""#,
        r#""en":"E_ZERO""#,
        r#""ri":[]"#,
        r#""ms":{}"#,
        r#""ts":null"#,
        r#""nv":null"#,
        r#""fl":0"#,
        r#""bo":false"#,
        r#""by":"""#,
    ] {
        assert!(all.contains(part), "{part}");
    }
    for part in [r#""oa""#, r#""oi""#, r#""osub""#] {
        assert!(!all.contains(part), "{part}");
    }
    let unset = Type::legacy().print_with(b"\x08\x01", &PrintOptions::rest()).unwrap();
    assert!(
        unset.starts_with(r#"{"id":1,"closed":null,"list":[],"byName":{},"item":null"#),
        "{unset}"
    );
    assert!(!unset.contains("extra"), "{unset}");
}

#[test]
fn names_and_enums_are_printed_as_the_options_say() {
    let wire = Type::all().parse(r#"{"snakeCaseName":"x","en":"E_NEG","custom":"y"}"#).unwrap();
    let options = PrintOptions::default().proto_names(true).enums_as_numbers(true);
    let printed = Type::all().print_with(&wire, &options).unwrap();
    assert_eq!(printed, r#"{"en":-1,"snake_case_name":"x","custom":"y"}"#);
    assert_eq!(Type::all().parse(&printed).unwrap().len(), wire.len());
}

#[test]
fn pretty_json_has_a_member_a_line() {
    let json = r#"{"ri":[1,2],"sub":{"a":1,"child":{}},"ms":{"k":5},"sr":{"a":[]},"an":{"@type":"x/mapping.Sub","a":1}}"#;
    let wire = Type::all().parse(json).unwrap();
    let printed = Type::all().print_with(&wire, &PrintOptions::default().pretty(true)).unwrap();
    let expected = r#"{
  "sub": {
    "a": 1,
    "child": {}
  },
  "ri": [
    1,
    2
  ],
  "ms": {
    "k": 5
  },
  "sr": {
    "a": []
  },
  "an": {
    "@type": "x/mapping.Sub",
    "a": 1
  }
}"#;
    assert_eq!(printed, expected);
}

#[test]
fn an_any_of_an_unknown_type_is_refused_or_printed_in_base64() {
    let any = Type::named("google.protobuf.Any");
    let wire = [field(1, b"x/no.Such"), field(2, b"\x01\x02")].concat();
    assert_eq!(any.print(&wire).unwrap_err().problem(), Problem::UnknownType);
    let options = PrintOptions::default().unknown_any(UnknownAny::Base64);
    let printed = any.print_with(&wire, &options).unwrap();
    assert_eq!(printed, r#"{"@type":"x/no.Such","value":"AQI="}"#);
}

#[test]
fn output_is_bounded_and_left_as_it_was() {
    use super::super::{json_to_wire, wire_to_json};

    let Type { tables, id } = Type::all();
    let mut out = b"before".to_vec();
    let options = ParseOptions::default().max_output(3);
    let error = json_to_wire(tables, id, br#"{"st":"abc"}"#, &mut out, &options).unwrap_err();
    assert_eq!(error.problem(), Problem::TooLarge { limit: 3 });
    // A message of two bytes, a thousand times, each printed with all its unset fields.
    let wire = [0xb2, 0x01, 0].repeat(1000);
    let options = PrintOptions::rest().max_output(10_000);
    let error = wire_to_json(tables, id, &wire, &mut out, &options).unwrap_err();
    assert_eq!(error.problem(), Problem::TooLarge { limit: 10_000 });
    assert!(
        json_to_wire(tables, id, b"{\"st\":\"x\",", &mut out, &ParseOptions::default()).is_err()
    );
    assert!(wire_to_json(tables, id, b"\x08\x01\x08", &mut out, &PrintOptions::default()).is_err());
    assert_eq!(out, b"before");
}

#[test]
fn the_depth_is_an_option() {
    let json = r#"{"sub":{"child":{}}}"#;
    let parse = |depth| Type::all().parse_with(json, &ParseOptions::default().max_depth(depth));
    assert!(parse(3).is_ok());
    assert_eq!(parse(2).unwrap_err().problem(), Problem::TooDeep { limit: 2 });
    let wire = parse(3).unwrap();
    let print = |depth| Type::all().print_with(&wire, &PrintOptions::default().max_depth(depth));
    assert!(print(3).is_ok());
    assert_eq!(print(2).unwrap_err().problem(), Problem::TooDeep { limit: 2 });
}
