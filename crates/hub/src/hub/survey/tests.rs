use std::time::SystemTime;

use super::codec::{Answer, Question, SurveyMessage};
use super::pattern::matches;
use super::*;
use crate::core::{RoomName, UserId};
use crate::token::Revocation;

#[test]
fn messages_are_decoded_as_they_were_encoded_and_cut_ones_are_refused() {
    let room = |name| RoomName::new(name).unwrap();
    let rooms = vec![(room("chat:1"), 7), (room("ö"), u64::MAX)];
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(4_102_444_800_123);
    let (sessions, users, rooms_, memberships, uptime) = (1, 2, 3, 4, 5);
    for (message, cut_is_refused) in [
        (SurveyMessage::Question(1, Question::Node), true),
        (SurveyMessage::Question(2, Question::Rooms(RoomQuery::new())), true),
        (
            SurveyMessage::Question(
                u64::MAX,
                Question::Rooms(RoomQuery::new().pattern("chat:*").after(room("chat:1")).limit(1)),
            ),
            true,
        ),
        (
            SurveyMessage::Answer(
                3,
                Answer::Node { sessions, users, rooms: rooms_, memberships, uptime },
            ),
            true,
        ),
        (
            SurveyMessage::Question(
                6,
                Question::Revoke(Revocation::Token { id: "7".into(), until: time }),
            ),
            true,
        ),
        (
            SurveyMessage::Question(
                7,
                Question::Revoke(Revocation::User {
                    user: UserId::new("ada"),
                    issued_before: SystemTime::UNIX_EPOCH,
                    until: time,
                }),
            ),
            true,
        ),
        (SurveyMessage::Answer(8, Answer::Revoked(true)), true),
        (SurveyMessage::Answer(9, Answer::Revoked(false)), true),
        // A list that is cut between two rooms is a shorter list.
        (SurveyMessage::Answer(4, Answer::Rooms { rooms, more: true }), false),
        (SurveyMessage::Answer(5, Answer::Rooms { rooms: Vec::new(), more: false }), true),
    ] {
        let bytes = message.encode();
        assert_eq!(SurveyMessage::decode(bytes.clone()).as_ref(), Some(&message));
        for length in 0..bytes.len() {
            let decoded = SurveyMessage::decode(bytes.slice(..length));
            assert!(decoded.is_none() || !cut_is_refused, "{message:?} cut at {length}");
        }
    }
    assert_eq!(SurveyMessage::decode(Bytes::from_static(&[9; 9])), None);
}

#[test]
fn patterns_match_whole_names() {
    for (pattern, name) in [
        ("*", "a"),
        ("chat:*", "chat:"),
        ("chat:*", "chat:42"),
        ("*:42", "chat:42"),
        ("c*:*2", "chat:42"),
        ("**", "chat"),
        ("a?c", "aöc"),
        ("*aab", "aaaaab"),
        ("a*b*c", "axbxbc"),
        ("[a]", "[a]"),
    ] {
        assert!(matches(pattern, name), "{pattern} {name}");
    }
    for (pattern, name) in [
        ("chat", "chat:42"),
        ("chat:*", "xchat:42"),
        ("chat:*", "chat"),
        ("?", ""),
        ("a?c", "ac"),
        ("a*b*c", "axbxb"),
        ("", "a"),
        ("A", "a"),
    ] {
        assert!(!matches(pattern, name), "{pattern} {name}");
    }
    let hard = "*a".repeat(100);
    assert!(!matches(&hard, &"a".repeat(99)));
}

proptest::proptest! {
    #[test]
    fn no_message_of_another_node_makes_the_decoder_panic(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        kind in 0..8_u8,
    ) {
        let _ = SurveyMessage::decode(bytes.clone().into());
        let _ = SurveyMessage::decode([&[kind][..], &bytes].concat().into());
    }
}
