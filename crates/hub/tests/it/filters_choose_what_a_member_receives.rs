use std::sync::Arc;

use sockeye_hub::core::Publication;
use sockeye_hub::core::filter::{Condition, Filter};
use sockeye_hub::{Hub, HubError, JoinOptions, JoinTerms, Recovered};

use crate::support::{connect, hub, lines, nothing_more};

fn equals(name: &str, value: &str) -> Arc<Filter> {
    Arc::new(Filter::tag(name, Condition::Equals(value.into())).unwrap())
}

/// Publishes for each team and level, the first letters of the words.
async fn publish_all(hub: &Hub, room: &str) {
    for (team, level) in [("red", "high"), ("red", "low"), ("blue", "high"), ("blue", "low")] {
        let tags = vec![("level".into(), level.into()), ("team".into(), team.into())];
        let publication = Publication { tags, ..Publication::new(format!("{team} {level}")) };
        hub.room(room).publish_with(publication).await.unwrap();
    }
}

#[tokio::test]
async fn and_are_replaced_and_removed() {
    let hub: Hub = hub().build();
    let (mut client, session) = connect(&hub).await;
    assert!(!session.set_filter("lobby", None).unwrap(), "it is not in the room");
    let options = JoinOptions::new().filter(equals("team", "red"));
    session.join_with("lobby", options).await.unwrap();
    publish_all(&hub, "lobby").await;
    let expected = ["lobby joined -", "lobby - red high", "lobby - red low"];
    assert_eq!(lines(&mut client, 3).await, expected);
    assert!(session.set_filter("lobby", Some(equals("level", "high"))).unwrap());
    publish_all(&hub, "lobby").await;
    assert_eq!(lines(&mut client, 2).await, ["lobby - red high", "lobby - blue high"]);
    assert!(session.set_filter("lobby", None).unwrap());
    publish_all(&hub, "lobby").await;
    assert_eq!(lines(&mut client, 4).await[3], "lobby - blue low");
    nothing_more(&mut client, &session).await;
}

#[tokio::test]
async fn and_those_of_the_server_cannot_be_removed_by_the_session() {
    let hub: Hub = hub()
        .authorize_join(async |_, _| Ok(JoinTerms::new().filter(equals("team", "red"))))
        .build();
    let (mut client, session) = connect(&hub).await;
    let options = JoinOptions::new().filter(equals("level", "high"));
    let start = session.join_with("log", options).await.unwrap().position.unwrap();
    publish_all(&hub, "log").await;
    assert_eq!(lines(&mut client, 2).await, ["log joined 0", "log 1 red high"]);
    session.set_filter("log", None).unwrap();
    publish_all(&hub, "log").await;
    assert_eq!(lines(&mut client, 2).await, ["log 5 red high", "log 6 red low"]);

    // What is recovered is filtered as well.
    session.leave("log").unwrap();
    let options = JoinOptions::new().from(start).filter(equals("level", "low"));
    let joined = session.join_with("log", options).await.unwrap();
    assert_eq!(joined.recovery, Recovered::All);
    let expected = ["log joined 0 recovered", "log 2 red low", "log 6 red low"];
    assert_eq!(lines(&mut client, 3).await, expected);

    assert!(session.force_filter("log", Some(equals("team", "blue"))).unwrap());
    publish_all(&hub, "log").await;
    assert_eq!(lines(&mut client, 1).await, ["log 12 blue low"]);
    assert!(session.force_filter("log", None).unwrap());
    publish_all(&hub, "log").await;
    assert_eq!(lines(&mut client, 2).await, ["log 14 red low", "log 16 blue low"]);
    nothing_more(&mut client, &session).await;
}

#[tokio::test]
async fn and_a_filter_that_is_too_large_beside_the_servers_is_refused() {
    let values = |count: usize| (0..count).map(|number| number.to_string().into()).collect();
    let large = move |count| {
        let filter = Filter::tag("number", Condition::In(values(count))).unwrap();
        Arc::new(filter)
    };
    let forced = large(100);
    let hub: Hub = hub()
        .authorize_join(move |_, _| {
            let terms = JoinTerms::new().filter(forced.clone());
            async { Ok(terms) }
        })
        .build();
    let (_client, session) = connect(&hub).await;
    let joined = session.join_with("lobby", JoinOptions::new().filter(large(100))).await;
    assert!(matches!(joined, Err(HubError::Filter(_))), "{joined:?}");
    assert!(session.rooms().is_empty());
    session.join("lobby").await.unwrap();
    let replaced = session.set_filter("lobby", Some(large(100)));
    assert!(matches!(replaced, Err(HubError::Filter(_))), "{replaced:?}");
    assert!(session.set_filter("lobby", Some(large(10))).unwrap());
}
