use proptest::prelude::*;

use super::*;
use crate::dialect::framing::cuts;

type Split = (Vec<String>, Result<(), JsonSplitError>);

fn split(chunks: Vec<Bytes>, max_length: usize) -> Split {
    let mut splitter = JsonSplitter::new(max_length);
    let mut values = Vec::new();
    let result = (|| {
        let mut keep = |value: Bytes| values.push(String::from_utf8_lossy(&value).into_owned());
        for chunk in chunks {
            splitter.push(chunk);
            while let Some(value) = splitter.next_value()? {
                keep(value);
            }
        }
        while let Some(value) = splitter.finish()? {
            keep(value);
        }
        Ok(())
    })();
    (values, result)
}

fn check(input: &str, values: &[&str], result: Result<(), JsonSplitError>) {
    let expected = (values.iter().map(ToString::to_string).collect(), result);
    cuts::for_each(input.as_bytes(), |chunks| {
        assert_eq!(split(chunks, 16), expected, "{input}");
    });
}

#[test]
fn values_stand_one_after_the_other() {
    check("", &[], Ok(()));
    check(" \n", &[], Ok(()));
    check("{} {\"a\":[1]}\r\n{}", &["{}", "{\"a\":[1]}", "{}"], Ok(()));
    check("{}{}\"a\"\"b\"1{}", &["{}", "{}", "\"a\"", "\"b\"", "1", "{}"], Ok(()));
    check("1 -2.5e3 true\nnull", &["1", "-2.5e3", "true", "null"], Ok(()));
    check("1[2]\"3\"", &["1", "[2]", "\"3\""], Ok(()));
}

#[test]
fn values_are_the_elements_of_one_array() {
    check("[]", &[], Ok(()));
    check(" [ ] ", &[], Ok(()));
    check("[{},{\"a\":[1]} , 2,\"x\"]", &["{}", "{\"a\":[1]}", "2", "\"x\""], Ok(()));
    check("[[1],[[2]],[]]", &["[1]", "[[2]]", "[]"], Ok(()));
}

#[test]
fn brackets_and_quotes_in_strings_are_text() {
    check(r#"{"a":"}]\"{"}"#, &[r#"{"a":"}]\"{"}"#], Ok(()));
    check(r#""\\""\"""#, &[r#""\\""#, r#""\"""#], Ok(()));
}

#[test]
fn bytes_between_values_are_refused_with_their_place() {
    let unexpected = |byte, offset| Err(JsonSplitError::Unexpected { byte, offset });
    check("{},{}", &["{}"], unexpected(b',', 2));
    check("{}}", &["{}"], unexpected(b'}', 2));
    check("[1,]", &["1"], unexpected(b']', 3));
    check("[,1]", &[], unexpected(b',', 1));
    check("[1 2]", &["1"], unexpected(b'2', 3));
    check("[1]x", &["1"], unexpected(b'x', 3));
    check("[1][2]", &["1"], unexpected(b'[', 3));
    check("{]", &[], unexpected(b']', 1));
    check("{\"a\":[}", &[], unexpected(b'}', 6));
    check("\u{feff}{}", &[], unexpected(0xef, 0));
    check("'a'", &[], unexpected(b'\'', 0));
    check("1:2", &["1"], unexpected(b':', 1));
}

#[test]
fn the_stream_must_not_end_within_a_value_or_an_array() {
    for (input, values) in [
        ("{", &[][..]),
        ("\"a", &[]),
        ("\"a\\\"", &[]),
        ("{\"a\":[]", &[]),
        ("[", &[]),
        ("[1", &[]),
        ("[1,", &["1"]),
        ("[{}", &["{}"]),
    ] {
        check(input, values, Err(JsonSplitError::Unfinished));
    }
}

#[test]
fn long_and_deep_values_are_refused() {
    let long = |length: usize| format!("\"{}\"", "a".repeat(length - 2));
    check(&long(16), &[&long(16)], Ok(()));
    check(&format!("[{}]", long(16)), &[&long(16)], Ok(()));
    check(&long(17), &[], Err(JsonSplitError::TooLong { limit: 16 }));
    check(&"1".repeat(17), &[], Err(JsonSplitError::TooLong { limit: 16 }));
    let brackets = |depth: usize| {
        let input = format!("1{}{}", "[".repeat(depth), "]".repeat(depth));
        split(vec![input.into()], 1024).1
    };
    assert_eq!(brackets(100), Ok(()));
    assert_eq!(brackets(101), Err(JsonSplitError::TooDeep));
}

#[test]
fn a_fault_beyond_the_limit_of_a_value_is_its_length() {
    let too_long = Err(JsonSplitError::TooLong { limit: 16 });
    check(r#"{"a":"0123456789abc"]"#, &[], too_long);
    check(&format!("{{\"a\":\"0123456789abc\",{}", "[".repeat(101)), &[], too_long);
}

#[test]
fn a_value_that_is_whole_in_a_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"{} {\"a\":1}");
    let mut splitter = JsonSplitter::new(16);
    splitter.push(chunk.clone());
    splitter.next_value().unwrap();
    let value = splitter.next_value().unwrap().unwrap();
    assert_eq!(value.as_ptr(), chunk[3..].as_ptr());
}

/// JSON values of all kinds.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        "[a\"\\\\{}\\[\\]é\n]{0,6}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            proptest::collection::vec(("[a\"]{0,3}", inner), 0..3)
                .prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn values_come_back_from_both_forms(values in proptest::collection::vec(json(), 0..4)) {
        let texts: Vec<_> = values.iter().map(ToString::to_string).collect();
        let array = format!("[{}]", texts.join(" ,\n"));
        let expected = (texts.clone(), Ok(()));
        cuts::for_each(array.as_bytes(), |chunks| {
            assert_eq!(split(chunks, 4096), expected);
        });
        if !texts.first().is_some_and(|first| first.starts_with('[')) {
            cuts::for_each(texts.join("\n").as_bytes(), |chunks| {
                assert_eq!(split(chunks, 4096), expected);
            });
        }
    }

    #[test]
    fn any_bytes_are_the_same_at_every_cut(input in "[\\[\\]{}\",: a\\\\1-]{0,24}") {
        let whole = split(vec![input.clone().into()], 12);
        cuts::for_each(input.as_bytes(), |chunks| {
            let cut = split(chunks, 12);
            // A limit is noticed at the end of a value or of a chunk, whichever is first, and
            // so before or after another fault of the same value.
            let limit = Err(JsonSplitError::TooLong { limit: 12 });
            if cut.1 != limit && whole.1 != limit {
                assert_eq!(cut, whole, "{input}");
            }
        });
    }
}
