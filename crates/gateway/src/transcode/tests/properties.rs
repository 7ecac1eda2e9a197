use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{ParseOptions, PrintOptions, Unpopulated};
use super::fixtures::Type;

/// Values for the members of `mapping.All`, as JSON texts.
fn member() -> impl Strategy<Value = (&'static str, String)> {
    let number = |names: &'static [&'static str], text: BoxedStrategy<String>| {
        (prop::sample::select(names), text).boxed()
    };
    let string = any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap());
    let double = any::<f64>()
        .prop_filter("JSON has only finite numbers", |value| value.is_finite())
        .prop_map(|value| serde_json::to_string(&value).unwrap());
    let null = Just("null".to_owned());
    let value = prop_oneof![string.clone(), double.clone(), null, Just("true".to_owned())];
    let value = value.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec(inner, 0..4).prop_map(|items| {
                let members =
                    items.iter().enumerate().map(|(at, item)| format!("\"k{at}\":{item}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    });
    prop_oneof![
        number(&["i32", "s32", "sf32", "oi"], any::<i32>().prop_map(|n| n.to_string()).boxed()),
        number(&["u32", "f32"], any::<u32>().prop_map(|n| n.to_string()).boxed()),
        number(
            &["i64", "s64", "sf64", "wl"],
            any::<i64>().prop_map(|n| format!("\"{n}\"")).boxed()
        ),
        number(&["u64", "f64"], any::<u64>().prop_map(|n| format!("\"{n}\"")).boxed()),
        number(&["st", "os", "ws", "@custom"], string.boxed()),
        number(&["db", "wd"], double.boxed()),
        number(&["va"], value.clone().boxed()),
        number(&["rv"], vec(value, 0..4).prop_map(|v| format!("[{}]", v.join(","))).boxed()),
        number(&["ri"], vec(any::<i32>(), 0..9).prop_map(|v| format!("{v:?}")).boxed()),
        number(
            &["mi"],
            vec(any::<u8>(), 0..4)
                .prop_map(|keys| {
                    let members: std::collections::BTreeSet<_> = keys.into_iter().collect();
                    let members: Vec<_> =
                        members.iter().map(|key| format!("\"{key}\":\"x\"")).collect();
                    format!("{{{}}}", members.join(","))
                })
                .boxed()
        ),
        number(&["en"], (-9..9).prop_map(|n: i32| n.to_string()).boxed()),
    ]
}

proptest! {
    #[test]
    fn json_comes_back_with_the_same_meaning(members in vec(member(), 0..8)) {
        let mut seen = std::collections::BTreeMap::new();
        for (name, value) in members {
            seen.insert(name, value);
        }
        let parts: Vec<_> = seen.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let json = format!("{{{}}}", parts.join(","));
        let all = Type::all();
        let wire = all.parse(&json).unwrap();
        let printed = all.print(&wire).unwrap();
        serde_json::from_str::<serde_json::Value>(&printed).unwrap();
        let again = all.parse(&printed).unwrap();
        prop_assert_eq!(all.print(&again).unwrap(), printed.clone());
        prop_assert_eq!(all.rewrite(&again).unwrap(), all.rewrite(&wire).unwrap());
        // However it is printed, it says the same; nulls stand for what is not set.
        let options = PrintOptions::default()
            .pretty(true)
            .proto_names(true)
            .enums_as_numbers(true)
            .unpopulated(Unpopulated::Defaults);
        let verbose = all.parse(&all.print_with(&wire, &options).unwrap()).unwrap();
        prop_assert_eq!(all.rewrite(&verbose).unwrap(), all.rewrite(&wire).unwrap());
    }

    #[test]
    fn any_bytes_are_printed_or_refused(
        bytes in vec(any::<u8>(), 0..200),
        name in prop::sample::select(&["mapping.All", "legacy.Legacy", "modern.Modern"][..]),
    ) {
        let message = Type::named(name);
        let rewritten = message.rewrite(&bytes);
        if let Ok(json) = message.print_with(&bytes, &PrintOptions::rest()) {
            serde_json::from_str::<serde_json::Value>(&json).unwrap();
            prop_assert!(rewritten.is_ok());
        }
        if let Ok(once) = rewritten {
            prop_assert_eq!(&message.rewrite(&once).unwrap(), &once);
        }
    }

    #[test]
    fn damaged_messages_are_printed_or_refused(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let json = r#"{"i32":-5,"st":"text","sub":{"a":1,"child":{"b":"x"}},"ri":[1,2,300],
            "ms":{"a":1},"mm":{"k":{"a":1}},"ts":"1972-01-01T10:00:20.021Z","sr":{"a":[1,{}]},
            "an":{"@type":"x/mapping.Sub","a":1},"om":{"a":2},"wi":5}"#;
        let mut wire = Type::all().parse(json).unwrap();
        let at = at.index(wire.len());
        wire[at] = byte;
        wire.truncate(cut.index(wire.len() * 4).max(at + 1));
        if let Ok(json) = Type::all().print(&wire) {
            serde_json::from_str::<serde_json::Value>(&json).unwrap();
            prop_assert!(Type::all().parse_with(&json, &ParseOptions::default()).is_ok());
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in r#"[\[\]{}",:0-9a-zE.+\\ -]{0,60}"#) {
        let ours = Type::named("google.protobuf.Value").parse(&text);
        match serde_json::from_str::<serde_json::Value>(&text) {
            // serde_json keeps the last of equal keys.
            Ok(_) => {
                let objects = text.contains('{');
                prop_assert!(ours.is_ok() || objects);
            }
            Err(_) => prop_assert!(ours.is_err()),
        }
    }
}
