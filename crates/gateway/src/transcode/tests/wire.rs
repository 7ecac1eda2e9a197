//! Forms of the binary format that are allowed but seldom written, and those that are forbidden.

use super::super::Problem;
use super::fixtures::{Type, field, varint};
use crate::protobuf::{WireProblem, WireType, put_tag};

fn printed(wire: &[&[u8]]) -> String {
    Type::all().print(&wire.concat()).unwrap()
}

#[test]
fn scalars_are_written_as_protobuf_defines_them() {
    for (json, wire) in [
        (r#"{"i32":-1}"#, &b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..]),
        (r#"{"u64":"300"}"#, b"\x20\xac\x02"),
        (r#"{"s32":-2}"#, b"\x28\x03"),
        (r#"{"s64":"-9223372036854775808"}"#, b"\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        (r#"{"f32":1}"#, b"\x3d\x01\x00\x00\x00"),
        (r#"{"sf64":"-1"}"#, b"\x51\xff\xff\xff\xff\xff\xff\xff\xff"),
        (r#"{"fl":1}"#, b"\x5d\x00\x00\x80\x3f"),
        (r#"{"db":1}"#, b"\x61\x00\x00\x00\x00\x00\x00\xf0\x3f"),
        (r#"{"bo":true}"#, b"\x68\x01"),
        (r#"{"st":"é"}"#, b"\x72\x02\xc3\xa9"),
        (r#"{"en":"E_NEG"}"#, b"\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        (r#"{"sub":{"a":1}}"#, b"\x8a\x01\x02\x08\x01"),
        (r#"{"ri":[1,2]}"#, b"\xa2\x01\x02\x01\x02"),
        (r#"{"rs":["",""]}"#, b"\xaa\x01\x00\xaa\x01\x00"),
        (r#"{"unpacked":[1]}"#, b"\xd5\x01\x01\x00\x00\x00"),
        (r#"{"ms":{"a":0}}"#, b"\xf2\x01\x05\x0a\x01a\x10\x00"),
        (r#"{"oi":0}"#, b"\x90\x03\x00"),
        (r#"{"du":"-1.500s"}"#, b"\xea\x03\x16\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x80\xb6\xca\x91\xfe\xff\xff\xff\xff\x01"),
        (r#"{"va":null}"#, b"\x82\x04\x02\x08\x00"),
        (r#"{"wb":false}"#, b"\xca\x04\x00"),
    ] {
        let result = Type::all().parse(json).unwrap();
        assert_eq!(result, wire, "{json} is {result:02x?}");
        assert_eq!(Type::all().print(wire).unwrap(), json);
    }
}

#[test]
fn packed_and_unpacked_elements_mix() {
    let parts: [&[u8]; 3] = [&varint(20, 1), &field(20, &[2, 3]), &varint(20, 4)];
    assert_eq!(printed(&parts), r#"{"ri":[1,2,3,4]}"#);
    assert_eq!(Type::all().rewrite(&parts.concat()).unwrap(), field(20, &[1, 2, 3, 4]));
    assert_eq!(printed(&[&field(20, b"")]), "{}");
    // A list that is declared as unpacked may come packed.
    assert_eq!(printed(&[&field(26, &[1, 0, 0, 0, 2, 0, 0, 0])]), r#"{"unpacked":[1,2]}"#);
}

#[test]
fn of_a_singular_field_the_last_value_counts_and_messages_merge() {
    assert_eq!(printed(&[&varint(1, 1), &varint(1, 2)]), r#"{"i32":2}"#);
    let (first, second) = (field(17, &varint(1, 5)), field(17, &field(2, b"x")));
    let parts: [&[u8]; 3] = [&first, &varint(1, 9), &second];
    assert_eq!(printed(&parts), r#"{"i32":9,"sub":{"a":5,"b":"x"}}"#);
    let merged = [varint(1, 5), field(2, b"x")].concat();
    let expected = [varint(1, 9), field(17, &merged)].concat();
    assert_eq!(Type::all().rewrite(&parts.concat()).unwrap(), expected);
    let value = field(70, &varint(1, 1));
    assert_eq!(printed(&[&value, &field(70, b"")]), r#"{"wi":1}"#);
}

#[test]
fn of_a_oneof_the_last_member_counts() {
    let (text, number) = (field(40, b"x"), varint(41, 1));
    assert_eq!(printed(&[&text, &number]), r#"{"ob":1}"#);
    assert_eq!(printed(&[&number, &text]), r#"{"oa":"x"}"#);
    let (a, b) = (field(43, &varint(1, 5)), field(43, &field(2, b"x")));
    assert_eq!(printed(&[&a, &b]), r#"{"om":{"a":5,"b":"x"}}"#);
    assert_eq!(printed(&[&a, &number, &b]), r#"{"om":{"b":"x"}}"#);
    assert_eq!(Type::all().rewrite(&[&a[..], &number, &b].concat()).unwrap(), b);
}

#[test]
fn of_map_entries_with_one_key_the_last_counts() {
    let entry = |key: &[u8], value| field(30, &[field(1, key), varint(2, value)].concat());
    assert_eq!(
        printed(&[&entry(b"a", 1), &entry(b"b", 2), &entry(b"a", 3)]),
        r#"{"ms":{"b":2,"a":3}}"#
    );
    let many: Vec<u8> = (0..40).flat_map(|at: u64| entry(&[b'a' + (at % 10) as u8], at)).collect();
    let expected: Vec<String> =
        (0..10_u8).map(|at| format!("\"{}\":{}", char::from(b'a' + at), 30 + at)).collect();
    assert_eq!(printed(&[&many]), format!("{{\"ms\":{{{}}}}}", expected.join(",")));
    // A missing key or value is the default.
    assert_eq!(printed(&[&field(30, b"")]), r#"{"ms":{"":0}}"#);
    assert_eq!(printed(&[&field(33, b"")]), r#"{"mm":{"":{}}}"#);
    assert_eq!(printed(&[&field(37, b"")]), r#"{"mv":{"":null}}"#);
    assert_eq!(printed(&[&field(32, b"")]), r#"{"mb":{"false":""}}"#);
}

#[test]
fn malformed_map_entries_are_refused_even_if_a_later_one_replaces_them() {
    // The message in the first entry ends within its field.
    let entry = |value: &[u8]| field(33, &[field(1, b"a"), field(2, value)].concat());
    let (broken, whole) = (entry(b"\x08"), entry(b""));
    for wire in [[&broken[..], &whole].concat(), [&broken[..], &whole].concat().repeat(9)] {
        let error = Type::all().print(&wire).unwrap_err();
        assert_eq!(error.problem(), Problem::Wire(WireProblem::Truncated));
        assert_eq!((error.path(), error.offset()), (r#"mm["a"].value"#.to_owned(), Some(9)));
        assert_eq!(Type::all().rewrite(&wire).unwrap_err().offset(), error.offset());
    }
    assert_eq!(printed(&[&whole, &whole]), r#"{"mm":{"a":{}}}"#);
}

#[test]
fn values_are_refused_even_if_later_ones_replace_them() {
    let bad_text = field(14, b"\xff");
    let inner = |content: &[u8]| field(17, content);
    let member = |content: &[u8]| field(43, content);
    for (wire, message) in [
        // A string, here and in a message whose parts merge.
        ([&bad_text[..], &field(14, b"a")].concat(), "st: invalid UTF-8 (byte 2)"),
        ([&bad_text[..], &varint(1, 1), &field(14, b"a")].concat(), "st: invalid UTF-8 (byte 2)"),
        (
            [inner(&field(2, b"\xff")), inner(&field(2, b"a"))].concat(),
            "sub.b: invalid UTF-8 (byte 2)",
        ),
        // Two parts that are a message only together.
        (
            [inner(b"\x12\x03a"), inner(b"bc")].concat(),
            "sub: malformed protobuf, the message ends within a field (byte 5)",
        ),
        // A member of a oneof.
        ([&field(40, b"\xff")[..], &varint(41, 1)].concat(), "oa: invalid UTF-8 (byte 3)"),
        (
            [&member(b"\x08")[..], &varint(41, 1)].concat(),
            "om: malformed protobuf, the message ends within a field (byte 4)",
        ),
        (
            [&member(&field(2, b"\xff"))[..], &varint(41, 1), &member(b"")].concat(),
            "om.b: invalid UTF-8 (byte 5)",
        ),
        // The key of a map entry.
        (
            field(30, &[field(1, b"\xff"), field(1, b"a")].concat()),
            "ms.key: invalid UTF-8 (byte 5)",
        ),
    ] {
        assert_eq!(Type::all().print(&wire).unwrap_err().to_string(), message);
        assert_eq!(Type::all().rewrite(&wire).unwrap_err().to_string(), message);
    }
    // Neither the bytes of a replaced value nor of an unknown field have a form to break.
    let fine = [field(15, b"\xff"), field(15, b""), field(500, b"\xff"), field(500, b"")].concat();
    assert_eq!(printed(&[&fine]), "{}");
    // Strings without such a check may be anything.
    let unchecked = [field(6, b"\xff"), field(6, b"a")].concat();
    assert_eq!(Type::edition().print(&unchecked).unwrap(), r#"{"unchecked":"a"}"#);
}

#[test]
fn unknown_fields_are_skipped_and_kept_by_rewriting() {
    let mut group = Vec::new();
    put_tag(&mut group, 500, WireType::Group);
    group.extend_from_slice(&varint(1, 1));
    group.extend_from_slice(b"\xa4\x1f");
    let unknown = [varint(501, 7), field(502, b"abc"), group].concat();
    let wire = [&unknown[..], &varint(1, 5)].concat();
    assert_eq!(printed(&[&wire]), r#"{"i32":5}"#);
    assert_eq!(Type::all().rewrite(&wire).unwrap(), [&varint(1, 5)[..], &unknown].concat());
    // So is a known field with another wire type.
    assert_eq!(printed(&[&field(1, b"\x05"), &varint(14, 5)]), "{}");
}

#[test]
fn malformed_messages_are_refused_with_their_offset() {
    for (wire, problem, offset) in [
        (&b"\x08"[..], WireProblem::Truncated, 1),
        (b"\x08\x01\x72\x05ab", WireProblem::Truncated, 4),
        (b"\x8a\x01\x02\x08\x80", WireProblem::Truncated, 4),
        (b"\xa2\x01\x02\x01\x80", WireProblem::Truncated, 4),
        (b"\x00\x00", WireProblem::ZeroFieldNumber, 0),
        (b"\x0f", WireProblem::WireType(7), 0),
        (b"\x0c", WireProblem::UnmatchedEndGroup(1), 0),
    ] {
        for error in [Type::all().print(wire).unwrap_err(), Type::all().rewrite(wire).unwrap_err()]
        {
            assert_eq!((error.problem(), error.offset()), (Problem::Wire(problem), Some(offset)));
        }
    }
    let error = Type::all().print(b"\x72\x02a\xff").unwrap_err();
    assert_eq!(error.to_string(), "st: invalid UTF-8 (byte 2)");
    assert!(Type::all().rewrite(b"\x72\x02a\xff").is_err());
}

#[test]
fn values_without_a_form_in_json_are_refused() {
    let nan = [&b"\x11"[..], &f64::NAN.to_le_bytes()].concat();
    for (wire, message) in [
        (
            field(60, &varint(1, u64::MAX / 2)),
            "ts: no form in JSON, expected a time from the year 1 to 9999",
        ),
        (
            field(61, &[varint(1, 1), varint(2, u64::MAX)].concat()),
            "du: no form in JSON, expected a duration of at most 10000 years",
        ),
        (
            field(62, &field(1, b"fooBar")),
            "fm: no form in JSON, expected field paths in lower_snake_case",
        ),
        (field(64, &nan), "va: no form in JSON, expected a finite number"),
        (field(67, &field(2, b"x")), "an.@type: unknown type (byte 0)"),
    ] {
        assert_eq!(Type::all().print(&wire).unwrap_err().to_string(), message);
    }
}

#[test]
fn closed_enums_treat_other_numbers_as_unknown() {
    let legacy = Type::legacy();
    let list = field(3, &[1, 9, 2]);
    let entry = field(4, &[field(1, b"a"), varint(2, 9)].concat());
    let wire = [varint(2, 9), list, entry.clone()].concat();
    assert_eq!(legacy.print(&wire).unwrap(), r#"{"list":["C_ONE","C_TWO"]}"#);
    let expected = [varint(3, 1), varint(3, 2), varint(3, 9), varint(2, 9), entry].concat();
    assert_eq!(legacy.rewrite(&wire).unwrap(), expected);
    assert_eq!(legacy.parse(r#"{"closed":9}"#).unwrap_err().problem(), Problem::UnknownEnumValue);
    assert_eq!(Type::all().print(&varint(16, 9)).unwrap(), r#"{"en":9}"#);
}

#[test]
fn groups_extensions_and_message_sets_have_their_forms() {
    let legacy = Type::legacy();
    for (json, wire) in [
        (r#"{"item":{"name":"x"}}"#, b"\x2b\x0a\x01x\x2c".to_vec()),
        (r#"{"item":{"inner":{"item":{}}}}"#, b"\x2b\x12\x02\x2b\x2c\x2c".to_vec()),
        (r#"{"[legacy.extra]":5}"#, varint(100, 5)),
        (r#"{"[legacy.extras]":[{"value":1}]}"#, field(101, &varint(1, 1))),
        (
            r#"{"set":{"[legacy.Extra.in_set]":{"value":7}}}"#,
            field(13, b"\x0b\x10\xe8\x07\x1a\x02\x08\x07\x0c"),
        ),
        (r#"{"packed":[1,2]}"#, field(6, &[1, 2])),
        (r#"{"plain":[1,2]}"#, [varint(7, 1), varint(7, 2)].concat()),
    ] {
        assert_eq!(legacy.parse(json).unwrap(), wire, "{json}");
        assert_eq!(legacy.print(&wire).unwrap(), json);
        assert_eq!(legacy.rewrite(&wire).unwrap(), wire);
    }
    // An item may be written as an ordinary extension, and the message before its type.
    let plain = field(13, &field(1000, &varint(1, 7)));
    assert_eq!(legacy.print(&plain).unwrap(), r#"{"set":{"[legacy.Extra.in_set]":{"value":7}}}"#);
    let swapped = field(13, b"\x0b\x1a\x02\x08\x07\x10\xe8\x07\x0c");
    assert_eq!(legacy.print(&swapped).unwrap(), legacy.print(&plain).unwrap());
    assert_eq!(
        legacy.parse(r#"{"[legacy.nope]":5}"#).unwrap_err().problem(),
        Problem::UnknownField
    );
}

#[test]
fn features_of_editions_are_followed() {
    let modern = Type::edition();
    for (json, wire) in [
        (r#"{"explicit":0}"#, varint(1, 0)),
        (r#"{"expanded":[1,2]}"#, [varint(3, 1), varint(3, 2)].concat()),
        (r#"{"packed":[1,2]}"#, field(4, &[1, 2])),
        (r#"{"delimited":{"explicit":1}}"#, b"\x2b\x08\x01\x2c".to_vec()),
        (r#"{"closed":"ONE"}"#, varint(7, 1)),
    ] {
        assert_eq!(modern.parse(json).unwrap(), wire, "{json}");
        assert_eq!(modern.print(&wire).unwrap(), json);
        assert_eq!(modern.rewrite(&wire).unwrap(), wire);
    }
    assert_eq!(modern.parse(r#"{"implicit":0}"#).unwrap(), b"");
    assert_eq!(modern.print(&varint(2, 0)).unwrap(), "{}");
    assert_eq!(modern.print(&varint(7, 2)).unwrap(), "{}");
    // The message may have such a string, JSON not.
    let wire = field(6, b"\xff");
    assert_eq!(modern.rewrite(&wire).unwrap(), wire);
    assert_eq!(modern.print(&wire).unwrap_err().problem(), Problem::Utf8);
}
