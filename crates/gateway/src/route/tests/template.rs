use proptest::prelude::*;

use crate::route::{Segment, Template, TemplateFault};

fn fault(text: &str) -> (usize, TemplateFault) {
    let error = Template::parse(text).unwrap_err();
    (error.column, error.fault)
}

#[test]
fn a_template_has_its_segments_variables_and_verb() {
    let template = Template::parse("/v1/{name=o/**/%65xt}/{id}:a:b").unwrap();
    assert_eq!(
        template.segments(),
        [
            Segment::Literal("v1".into()),
            Segment::Literal("o".into()),
            Segment::Multi,
            Segment::Literal("ext".into()),
            Segment::Single,
        ]
    );
    let variables: Vec<_> = template
        .variables()
        .iter()
        .map(|variable| (variable.field_path(), variable.range(), variable.is_multi()))
        .collect();
    assert_eq!(variables, [("name", 1..4, true), ("id", 4..5, false)]);
    assert_eq!(template.verb(), Some("a:b"));
    assert_eq!(template.to_string(), "/v1/{name=o/**/%65xt}/{id}:a:b");
}

#[test]
fn a_variable_of_one_segment_is_not_multi() {
    let is_multi = |text| Template::parse(text).unwrap().variables()[0].is_multi();
    assert!(!is_multi("/{a}"));
    assert!(!is_multi("/{a=b}"));
    assert!(is_multi("/{a=**}"));
    assert!(is_multi("/{a=b/*}"));
}

#[test]
fn errors_name_the_column_and_the_rule() {
    for (text, column, expected) in [
        ("", 1, TemplateFault::NoSlash),
        ("v1", 1, TemplateFault::NoSlash),
        ("//", 2, TemplateFault::EmptySegment),
        ("/v1/", 5, TemplateFault::EmptySegment),
        ("/:do", 2, TemplateFault::EmptySegment),
        ("/{a=}", 5, TemplateFault::EmptySegment),
        ("/{a=b/}", 7, TemplateFault::EmptySegment),
        ("/a b", 3, TemplateFault::InvalidCharacter(' ')),
        ("/é", 2, TemplateFault::InvalidCharacter('é')),
        ("/a}", 3, TemplateFault::InvalidCharacter('}')),
        ("/a:b*", 5, TemplateFault::InvalidCharacter('*')),
        ("/a%2", 3, TemplateFault::InvalidEscape),
        ("/a%ff", 2, TemplateFault::InvalidEscape),
        ("/a:%ff", 4, TemplateFault::InvalidEscape),
        ("/foo*", 5, TemplateFault::WildcardInSegment),
        ("/*foo", 3, TemplateFault::WildcardInSegment),
        ("/***", 4, TemplateFault::WildcardInSegment),
        ("/{a=b*}", 6, TemplateFault::WildcardInSegment),
        ("/**/{a=**}", 8, TemplateFault::SecondMulti),
        ("/{a={b}}", 5, TemplateFault::NestedVariable),
        ("/{a=b{c}}", 6, TemplateFault::NestedVariable),
        ("/x/{a", 4, TemplateFault::UnterminatedVariable),
        ("/x/{a=b", 4, TemplateFault::UnterminatedVariable),
        ("/{a}b", 5, TemplateFault::TextAtVariable),
        ("/b{a}", 3, TemplateFault::TextAtVariable),
        ("/{a:b}", 4, TemplateFault::ColonInVariable),
        ("/{a=b:c}", 6, TemplateFault::ColonInVariable),
        ("/{}", 3, TemplateFault::InvalidFieldPath),
        ("/{a.}", 5, TemplateFault::InvalidFieldPath),
        ("/{a-b}", 4, TemplateFault::InvalidFieldPath),
        ("/{a}/{a}", 6, TemplateFault::RepeatedVariable),
        ("/{a.b}/{a}", 8, TemplateFault::RepeatedVariable),
        ("/{a}/{a.b}", 6, TemplateFault::RepeatedVariable),
        ("/a:", 3, TemplateFault::EmptyVerb),
        ("/a:b/c", 3, TemplateFault::VerbInside),
    ] {
        assert_eq!(fault(text), (column, expected), "{text}");
    }
    Template::parse("/{a}/{ab}").unwrap();
}

#[test]
fn long_templates_are_refused() {
    let text = |length: usize| format!("/{}", "a".repeat(length - 1));
    Template::parse(&text(Template::MAX_LENGTH)).unwrap();
    assert_eq!(fault(&text(Template::MAX_LENGTH + 1)).1, TemplateFault::TooLong);
    Template::parse(&"/a".repeat(Template::MAX_SEGMENTS)).unwrap();
    assert_eq!(fault(&"/a".repeat(Template::MAX_SEGMENTS + 1)).1, TemplateFault::TooManySegments);
}

proptest! {
    #[test]
    fn no_text_panics(text in "[/*{}=:.a%2é]{0,24}") {
        if let Err(error) = Template::parse(&text) {
            prop_assert!((1..=text.len() + 1).contains(&error.column));
        }
    }
}
