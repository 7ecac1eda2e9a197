use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

fn matches(condition: Condition, value: Option<&str>) -> bool {
    let tags: Vec<_> = value.map(|value| ("b".into(), value.into())).into_iter().collect();
    let alone = Filter::tag("b", condition.clone()).unwrap().matches(&tags);
    // Among other tags the result is the same.
    let others = [("a".into(), "1".into()), ("c".into(), "1".into())];
    let mut tags = [&others[..1], &tags, &others[1..]].concat();
    tags.sort();
    assert_eq!(Filter::tag("b", condition).unwrap().matches(&tags), alone);
    alone
}

/// A condition, values that fulfil it and values that do not.
type Case<'a> = (Condition, &'a [Option<&'a str>], &'a [Option<&'a str>]);

#[test]
fn each_condition_matches_what_it_says() {
    use Condition::*;
    let list = || vec!["b".into(), "a".into(), "b".into()];
    let ten = || "10".parse().unwrap();
    let cases: [Case<'_>; 13] = [
        (Equals("a".into()), &[Some("a")], &[None, Some(""), Some("ab"), Some("A")]),
        (NotEquals("a".into()), &[None, Some(""), Some("ab")], &[Some("a")]),
        (In(list()), &[Some("a"), Some("b")], &[None, Some(""), Some("c")]),
        (NotIn(list()), &[None, Some(""), Some("c")], &[Some("a"), Some("b")]),
        (Exists, &[Some(""), Some("a")], &[None]),
        (NotExists, &[None], &[Some(""), Some("a")]),
        (StartsWith("ab".into()), &[Some("ab"), Some("abc")], &[None, Some("a"), Some("cab")]),
        (EndsWith("ab".into()), &[Some("ab"), Some("cab")], &[None, Some("b"), Some("abc")]),
        (Contains("ab".into()), &[Some("ab"), Some("cabc")], &[None, Some("acb"), Some("")]),
        (Greater(ten()), &[Some("10.01"), Some("11")], &[None, Some("10"), Some("9"), Some("x")]),
        (GreaterOrEqual(ten()), &[Some("10.0"), Some("11")], &[None, Some("9.99"), Some("1e9")]),
        (Less(ten()), &[Some("9"), Some("-11")], &[None, Some("10"), Some("11"), Some("")]),
        (LessOrEqual(ten()), &[Some("+10"), Some("-11")], &[None, Some("10.1"), Some("NaN")]),
    ];
    for (condition, matching, others) in cases {
        for &value in matching {
            assert!(matches(condition.clone(), value), "{condition:?} {value:?}");
        }
        for &value in others {
            assert!(!matches(condition.clone(), value), "{condition:?} {value:?}");
        }
    }
}

#[test]
fn filters_combine() {
    let tag = |name: &str| Filter::tag(name, Condition::Exists).unwrap();
    let tags = [("a".into(), "".into()), ("b".into(), "".into())];
    let all = |names: &[&str]| Filter::all(names.iter().map(|name| tag(name))).unwrap();
    let any = |names: &[&str]| Filter::any(names.iter().map(|name| tag(name))).unwrap();
    assert!(all(&["a", "b"]).matches(&tags));
    assert!(!all(&["a", "c"]).matches(&tags));
    assert!(any(&["c", "b"]).matches(&tags));
    assert!(!any(&["c", "d"]).matches(&tags));
    assert!(all(&[]).matches(&tags) && !any(&[]).matches(&tags));
    assert!(Filter::not(any(&["c", "d"])).unwrap().matches(&tags));
    assert!(!Filter::not(all(&["a"])).unwrap().matches(&tags));
}

#[test]
fn a_filter_is_bounded_in_depth() {
    let mut filter = Filter::tag("a", Condition::Exists).unwrap();
    for _ in 1..Filter::MAX_DEPTH {
        filter = Filter::not(filter).unwrap();
    }
    let depth = Filter::MAX_DEPTH + 1;
    assert_eq!(Filter::not(filter.clone()), Err(FilterError::TooDeep { depth }));
    let shallow = || Filter::tag("a", Condition::Exists).unwrap();
    for filters in [[filter.clone(), shallow()], [shallow(), filter]] {
        assert_eq!(Filter::all(filters), Err(FilterError::TooDeep { depth }));
    }
}

#[test]
fn a_filter_is_bounded_in_expressions_and_values() {
    let tag = || Filter::tag("a", Condition::Exists).unwrap();
    let max = Filter::MAX_NODES;
    let full = Filter::any((1..max).map(|_| tag())).unwrap();
    let refused = Err(FilterError::TooManyNodes { nodes: max + 1 });
    assert_eq!(Filter::not(full), refused);
    assert_eq!(Filter::any((0..max).map(|_| tag())), refused);

    let values = |count| Condition::In(vec!["x".into(); count]);
    assert!(Filter::tag("a", values(max - 1)).is_ok());
    assert_eq!(Filter::tag("a", values(max)), refused);
}

#[test]
fn a_filter_is_bounded_in_text() {
    let text = |length| "x".repeat(length).into_boxed_str();
    let max = Filter::MAX_TEXT;
    let refused = Err(FilterError::TooLong { length: max + 1 });
    assert!(Filter::tag("a", Condition::Equals(text(max - 1))).is_ok());
    assert_eq!(Filter::tag("a", Condition::Equals(text(max))), refused);
    let half = |length| Filter::tag("", Condition::NotIn(vec![text(length), text(1)])).unwrap();
    assert!(Filter::all([half(max / 2 - 1), half(max / 2 - 1)]).is_ok());
    assert_eq!(Filter::all([half(max / 2 - 1), half(max / 2)]), refused);
    let digits = "1".repeat(max + 1).parse().unwrap();
    assert_eq!(Filter::tag("", Condition::Less(digits)), refused);
}

#[test]
fn numbers_have_one_spelling() {
    for (text, spelling) in [
        ("0", "0"),
        ("-0.0", "0"),
        ("+007.50", "7.5"),
        ("-000.010", "-0.01"),
        ("18446744073709551616", "18446744073709551616"),
    ] {
        let number: Decimal = text.parse().unwrap();
        assert_eq!(number.to_string(), spelling);
        assert_eq!(spelling.parse(), Ok(number));
    }
}

#[test]
fn other_texts_are_no_numbers() {
    for text in ["", "-", "+", ".", ".5", "5.", "1.2.3", "1e5", "--1", "+-1", " 1", "1_000", "٣"] {
        assert_eq!(text.parse::<Decimal>(), Err(ParseDecimalError), "{text:?}");
    }
}

#[test]
fn numbers_are_compared_exactly() {
    let ordered = ["-10.5", "-10", "-9.99", "-0.1", "0", "0.09", "0.1", "0.11", "2", "10"];
    let beyond_floats = ["9007199254740992", "9007199254740992.0000001", "9007199254740993"];
    let numbers = ordered.into_iter().chain(beyond_floats).map(|text| text.parse().unwrap());
    let numbers: Vec<Decimal> = numbers.collect();
    for (i, a) in numbers.iter().enumerate() {
        for (j, b) in numbers.iter().enumerate() {
            assert_eq!(a.cmp(b), i.cmp(&j), "{a} {b}");
        }
    }
}

/// Evaluates a filter in another way: from its printed operations, over all tags.
fn naive(filter: &Filter, tags: &[(Box<str>, Box<str>)]) -> bool {
    match filter.expression() {
        Expression::All(filters) => filters.iter().filter(|f| !naive(f, tags)).count() == 0,
        Expression::Any(filters) => filters.iter().filter(|f| naive(f, tags)).count() > 0,
        Expression::Not(filter) => !naive(filter, tags),
        Expression::Tag { name, condition } => {
            let value = tags.iter().find(|(n, _)| n == name).map(|(_, value)| value);
            let compare = |limit: &Decimal| {
                let value: Option<i64> = value.and_then(|value| value.parse().ok());
                value.map(|value| value.cmp(&limit.to_string().parse().unwrap()))
            };
            match condition {
                Condition::Equals(text) => value == Some(text),
                Condition::NotEquals(text) => value != Some(text),
                Condition::In(texts) => value.is_some_and(|value| texts.contains(value)),
                Condition::NotIn(texts) => value.is_none_or(|value| !texts.contains(value)),
                Condition::Exists => value.is_some(),
                Condition::NotExists => value.is_none(),
                Condition::StartsWith(text) => {
                    value.is_some_and(|value| value.get(..text.len()) == Some(text))
                }
                Condition::EndsWith(text) => value.is_some_and(|value| {
                    let from = value.len().checked_sub(text.len());
                    from.is_some_and(|from| value.get(from..) == Some(text))
                }),
                Condition::Contains(text) => value.is_some_and(|value| {
                    (0..=value.len()).any(|from| value[from..].starts_with(&**text))
                }),
                Condition::Greater(limit) => compare(limit) == Some(Ordering::Greater),
                Condition::GreaterOrEqual(limit) => {
                    compare(limit).is_some_and(|ordering| ordering != Ordering::Less)
                }
                Condition::Less(limit) => compare(limit) == Some(Ordering::Less),
                Condition::LessOrEqual(limit) => {
                    compare(limit).is_some_and(|ordering| ordering != Ordering::Greater)
                }
            }
        }
    }
}

fn text() -> impl Strategy<Value = Box<str>> {
    "[ab]{0,3}|-?[0-9]{1,2}".prop_map(Into::into)
}

fn condition() -> impl Strategy<Value = Condition> {
    let number = || (-12..12i64).prop_map(Decimal::from);
    let texts = || proptest::collection::vec(text(), 0..5);
    prop_oneof![
        text().prop_map(Condition::Equals),
        text().prop_map(Condition::NotEquals),
        texts().prop_map(Condition::In),
        texts().prop_map(Condition::NotIn),
        Just(Condition::Exists),
        Just(Condition::NotExists),
        text().prop_map(Condition::StartsWith),
        text().prop_map(Condition::EndsWith),
        text().prop_map(Condition::Contains),
        number().prop_map(Condition::Greater),
        number().prop_map(Condition::GreaterOrEqual),
        number().prop_map(Condition::Less),
        number().prop_map(Condition::LessOrEqual),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let tag =
        ("[a-d]", condition()).prop_map(|(name, condition)| Filter::tag(&name, condition).unwrap());
    tag.prop_recursive(4, 24, 3, |inner| {
        let several = proptest::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            several.clone().prop_map(|filters| Filter::all(filters).unwrap()),
            several.prop_map(|filters| Filter::any(filters).unwrap()),
            inner.prop_map(|filter| Filter::not(filter).unwrap()),
        ]
    })
}

proptest! {
    #[test]
    fn filters_agree_with_the_model(
        filter in filter(),
        tags in proptest::collection::btree_map("[a-d]", text(), 0..5),
    ) {
        let tags = tags.into_iter().map(|(name, value)| (name.into(), value));
        let tags: Vec<(Box<str>, Box<str>)> = tags.collect();
        prop_assert_eq!(filter.matches(&tags), naive(&filter, &tags));
    }

    #[test]
    fn numbers_are_ordered_like_integers(a: i64, b: i64, zeros in 0..3usize) {
        let padded = format!("{a}.{}", "0".repeat(zeros + 1)).parse::<Decimal>().unwrap();
        prop_assert_eq!(&padded, &Decimal::from(a));
        prop_assert_eq!(padded.cmp(&Decimal::from(b)), a.cmp(&b));
        prop_assert_eq!(Decimal::from(a).to_string(), a.to_string());
    }

    #[test]
    fn fractions_are_ordered_like_integers(a in 0..100_000u32, b in 0..100_000u32) {
        let fraction = |number: u32| format!("-0.{number:05}").parse::<Decimal>().unwrap();
        prop_assert_eq!(fraction(a).cmp(&fraction(b)), b.cmp(&a));
    }
}
