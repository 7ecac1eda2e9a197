//! Situations in which other systems showed members who were gone, twice, or not at all.

use std::time::Duration;

use bytes::Bytes;
use sockeye::WebSocket;
use sockeye_hub::bus::{Bus, Local, events};
use sockeye_hub::core::presence::PresenceConfig;
use sockeye_hub::core::{NodeId, UserId};
use sockeye_hub::{Hub, JoinOptions, Session, SessionOptions};

use crate::support::{hub, line, pair};

/// Returns a node whose presence does everything at once, but for leases.
fn node(bus: &Local) -> Hub {
    let config = PresenceConfig {
        grace: Duration::from_millis(1),
        diff_delay: Duration::from_millis(1),
        delta_delay: Duration::ZERO,
        ..PresenceConfig::default()
    };
    hub().bus(bus.clone()).presence(config).unwrap().build()
}

async fn join(hub: &Hub, user: &str, rooms: &[&str], info: &'static str) -> (WebSocket, Session) {
    let (client, server) = pair().await;
    let session = hub.connect_with(server, (), SessionOptions::new().user(UserId::new(user)));
    for room in rooms {
        session.join_with(*room, JoinOptions::new().info(info)).await.unwrap();
    }
    (client, session)
}

/// Waits until a client was told a line with this word in each room.
async fn told(client: &mut WebSocket, rooms: &[&str], word: &str) {
    let mut missing = rooms.to_vec();
    while !missing.is_empty() {
        let line = line(client).await;
        if line.split(' ').any(|found| found == word) {
            missing.retain(|room| !line.starts_with(room));
        }
    }
}

/// Waits until a room has so many sessions and users on all nodes.
async fn counted(hubs: &[&Hub], room: &str, sessions: usize, users: usize) {
    let counted = async {
        for hub in hubs {
            loop {
                let counts = hub.room(room).counts().unwrap();
                if (counts.sessions, counts.users) == (sessions, users) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), counted).await.expect("the counts");
}

#[tokio::test]
async fn however_often_its_info_changes() {
    let bus = Local::new();
    let (first, second) = (node(&bus), node(&bus));
    let (_ada, ada) = join(&first, "ada", &["present"], "A").await;
    let (mut bob, _session) = join(&second, "bob", &["present"], "B").await;
    counted(&[&first, &second], "present", 2, 2).await;
    for number in 1..=100 {
        ada.update_presence("present", format!("A{number}").as_bytes()).unwrap();
    }
    loop {
        let line = line(&mut bob).await;
        // An update is no join and no leave, other than in Phoenix.
        assert!(!line.contains("-A"), "{line}");
        if line.contains("~A100") {
            break;
        }
    }
    counted(&[&first, &second], "present", 2, 2).await;
    let page = second.room("present").presence(None, 10).unwrap();
    let infos = page.items.iter().map(|member| member.profile.info.clone());
    assert!(infos.clone().any(|info| info == "A100"), "{:?}", infos.collect::<Vec<_>>());
}

#[tokio::test]
async fn when_two_nodes_with_many_members_meet() {
    const COUNT: usize = 60;

    let bus = Local::new();
    let first = node(&bus);
    let mut members = Vec::new();
    for number in 0..COUNT {
        members.push(join(&first, &number.to_string(), &["present"], "").await);
    }
    let second = node(&bus);
    for number in 0..COUNT {
        members.push(join(&second, &(COUNT + number).to_string(), &["present"], "").await);
    }
    counted(&[&first, &second], "present", 2 * COUNT, 2 * COUNT).await;
}

#[tokio::test]
async fn and_its_leave_is_told_in_each_of_its_rooms() {
    let bus = Local::new();
    let hub = node(&bus);
    let rooms = ["present 1", "present 2", "present 3"];
    let (mut ada, _session) = join(&hub, "ada", &rooms, "A").await;
    let (bob, session) = join(&hub, "bob", &rooms, "B").await;
    // Who leaves before the join was told is not mentioned.
    told(&mut ada, &rooms, "bob").await;
    drop((bob, session));
    told(&mut ada, &rooms, "-B").await;
}

#[tokio::test]
async fn and_a_user_leaves_with_the_last_of_three_tabs() {
    let bus = Local::new();
    let (first, second) = (node(&bus), node(&bus));
    let (mut ada, _session) = join(&first, "ada", &["present"], "A").await;
    let mut tabs = Vec::new();
    for hub in [&first, &second, &first] {
        tabs.push(join(hub, "bob", &["present"], "B").await);
    }
    counted(&[&first, &second], "present", 4, 2).await;
    for left in [3, 2] {
        drop(tabs.pop());
        counted(&[&first, &second], "present", left, 2).await;
    }
    drop(tabs.pop());
    let mut lines = String::new();
    while !lines.contains("bob gone") {
        lines += &line(&mut ada).await;
    }
    assert_eq!(lines.matches("bob here").count(), 1, "{lines}");
    counted(&[&first, &second], "present", 1, 1).await;
}

#[tokio::test]
async fn whatever_others_send_on_the_bus() {
    let bus = Local::new();
    let (first, second) = (node(&bus), node(&bus));
    let stranger = bus.clone();
    let (sender, _receiver) = events(100);
    stranger.attach(NodeId(7), sender);
    for bytes in [&b""[..], b"hello", b"\0", b"\x01\xff\xff\xff\xff", b"\x02\x00", b"\x03"] {
        stranger.send(None, Bytes::from_static(bytes)).await.unwrap();
    }
    let _ada = join(&first, "ada", &["present"], "A").await;
    let _bob = join(&second, "bob", &["present"], "B").await;
    counted(&[&first, &second], "present", 2, 2).await;
    // One that only listens is no node whose answer is awaited.
    let reports = first.node_reports().await.unwrap();
    assert_eq!((reports.nodes.len(), reports.silent.len()), (2, 0));
}
