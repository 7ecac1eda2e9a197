use super::*;

fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

#[test]
fn the_part_before_the_first_colon_is_the_namespace() {
    let mut chat = Rules::closed();
    chat.join = Access::User;
    let namespaces = Namespaces::closed().default_rules(Rules::open()).with("chat", chat);
    for (name, join) in [
        ("lobby", Access::Anybody),
        ("chat", Access::Anybody),
        ("chat:42", Access::User),
        ("chat:", Access::User),
        ("chat:42:7", Access::User),
        ("news:42", Access::Nobody),
        ("Chat:42", Access::Nobody),
        (":42", Access::Nobody),
    ] {
        assert_eq!(namespaces.rules(&room(name)).join, join, "{name}");
    }
    assert!(namespaces.knows(&room("lobby")) && namespaces.knows(&room("chat:1")));
    assert!(!namespaces.knows(&room("news:42")));
}

#[test]
fn open_rules_hold_in_all_rooms() {
    let namespaces = Namespaces::open();
    for name in ["lobby", "chat:42", ":"] {
        let rules = namespaces.rules(&room(name));
        assert_eq!((rules.join, rules.publish), (Access::Anybody, Access::Anybody));
        assert!(rules.options.presence && rules.options.retention.is_some());
        assert!(namespaces.knows(&room(name)));
    }
}

#[test]
fn every_access_has_its_name() {
    let accesses = Access::NAMES.map(|name| Access::from_name(name).unwrap());
    let [nobody, token, member, user, anybody] = accesses;
    assert_eq!((nobody, token, member), (Access::Nobody, Access::Token, Access::Member));
    assert_eq!((user, anybody), (Access::User, Access::Anybody));
    assert_eq!(Access::from_name("Nobody"), None);
}

#[cfg(feature = "toml")]
mod file {
    use std::time::Duration;

    use super::*;
    use crate::core::history::Retention;
    use crate::core::outbox::DeliveryPolicy;

    fn rules(section: &str) -> Rules {
        let namespaces = Namespaces::from_toml(&format!("[default]\n{section}")).unwrap();
        namespaces.rules(&room("lobby")).clone()
    }

    #[test]
    fn all_keys_are_read() {
        let rules = rules(
            r#"
            may_join = "token"
            may_publish = "member"
            may_see_presence = "user"
            may_see_history = "anybody"
            presence = true
            history_size = 50
            history_age = "2h"
            history_bytes = 4096
            policy = "conflate"
            policy_key = "symbol"
            policy_interval = "250ms"
            "#,
        );
        assert_eq!((rules.join, rules.publish), (Access::Token, Access::Member));
        assert_eq!((rules.presence, rules.history), (Access::User, Access::Anybody));
        let options = rules.options;
        let age = Duration::from_secs(7_200);
        assert_eq!(options.retention, Some(Retention { count: 50, age, bytes: 4_096 }));
        let interval = Duration::from_millis(250);
        assert_eq!(options.policy, DeliveryPolicy::Conflate { interval });
        assert_eq!(options.key_tag.as_deref(), Some("symbol"));
        assert!(options.presence);
    }

    #[test]
    fn what_is_not_allowed_is_forbidden() {
        let rules = rules("");
        for access in [rules.join, rules.publish, rules.presence, rules.history] {
            assert_eq!(access, Access::Nobody);
        }
        assert!(!rules.options.presence && rules.options.retention.is_none());
        assert_eq!(rules.options.policy, DeliveryPolicy::DropOldest);
        let empty = Namespaces::from_toml("").unwrap();
        assert_eq!(empty.rules(&room("lobby")).join, Access::Nobody);
    }

    #[test]
    fn a_history_alone_has_the_default_bounds() {
        let options = rules("history_size = 7\npolicy = \"catch_up\"").options;
        assert_eq!(options.retention, Some(Retention { count: 7, ..Retention::default() }));
        assert_eq!(options.policy, DeliveryPolicy::CatchUp);
    }

    #[test]
    fn errors_name_the_line_and_the_key() {
        for (line, key, text) in [
            (2, Some("may_join"), "[default]\nmay_join = \"all\""),
            (2, Some("may_join"), "[default]\nmay_join = \"member\""),
            (2, Some("may_join"), "[default]\nmay_join = true"),
            (3, Some("may_jion"), "[default]\n\nmay_jion = \"user\""),
            (2, Some("history_size"), "[namespaces.chat]\nhistory_size = 1000001"),
            (2, Some("history_size"), "[namespaces.chat]\nhistory_size = -1"),
            (3, Some("history_age"), "[default]\nhistory_size = 1\nhistory_age = \"0s\""),
            (3, Some("history_age"), "[default]\nhistory_size = 1\nhistory_age = \"367d\""),
            (3, Some("history_age"), "[default]\nhistory_size = 1\nhistory_age = \"10\""),
            (3, Some("history_age"), "[default]\nhistory_size = 1\nhistory_age = \"1 h\""),
            (2, Some("history_age"), "[default]\nhistory_age = \"1h\""),
            (3, Some("history_bytes"), "[default]\nhistory_size = 1\nhistory_bytes = 0"),
            (2, Some("policy"), "[default]\npolicy = \"catch_up\""),
            (2, Some("policy"), "[default]\npolicy = \"wait\""),
            (2, Some("policy_key"), "[default]\npolicy_key = \"symbol\""),
            (2, Some("policy_interval"), "[default]\npolicy_interval = \"1s\""),
            (
                3,
                Some("policy_interval"),
                "[default]\npolicy = \"conflate\"\npolicy_interval = \"2m\"",
            ),
            (2, Some("may_see_presence"), "[default]\nmay_see_presence = \"user\""),
            (2, Some("may_see_history"), "[default]\nmay_see_history = \"user\""),
            (1, None, "[namespaces.\"a:b\"]"),
            (1, None, "[rooms]"),
            (2, None, "[default]\n[default]"),
        ] {
            let error = Namespaces::from_toml(text).unwrap_err();
            assert_eq!(error.line, Some(line), "{text}: {error}");
            assert_eq!(error.key.as_deref(), key, "{text}: {error}");
        }
    }

    #[test]
    fn errors_say_what_was_expected() {
        let error = |text: &str| Namespaces::from_toml(text).unwrap_err().to_string();
        assert_eq!(
            error("[default]\nmay_publish = \"all\""),
            "line 2: may_publish: expected one of \"nobody\", \"token\", \"member\", \"user\", \
             \"anybody\""
        );
        assert!(error("[default]\nfoo = 1").contains("may_see_history"));
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(
            text in ".{0,80}",
            key in "may_join|policy|history_age|history_size|policy_interval",
            value in "\"[a-z0-9]{0,30}\"|-?[0-9]{0,30}|\".{0,10}",
        ) {
            let _ = Namespaces::from_toml(&text);
            let _ = Namespaces::from_toml(&format!("[default]\n{key} = {value}\n{text}"));
            let _ = Namespaces::from_toml(&format!("{text}\n[namespaces.a]\n{key} = {value}"));
        }
    }
}
