use serde_json::json;
use sockeye::Message;

use crate::centrifuge::client::Json;
use crate::centrifuge::server::endpoint;

/// Sends commands as lines of one message.
async fn send(client: &mut Json, commands: &[serde_json::Value]) {
    let lines: Vec<_> = commands.iter().map(ToString::to_string).collect();
    client.ws.send(Message::from(lines.join("\n"))).await.unwrap();
}

#[tokio::test]
async fn and_a_client_that_subscribes_last_is_subscribed_once() {
    let endpoint = endpoint();
    for room in ["live", "log"] {
        let mut client = Json::connect(&endpoint).await;
        let subscribe = |id: u32| json!({ "id": id, "subscribe": { "channel": room } });
        let unsubscribe = |id: u32| json!({ "id": id, "unsubscribe": { "channel": room } });
        let mut commands = vec![subscribe(100)];
        for id in (101..121).step_by(2) {
            commands.extend([unsubscribe(id), subscribe(id + 1)]);
        }
        commands.push(json!({ "id": 121, "publish": { "channel": room, "data": "once" } }));
        send(&mut client, &commands).await;
        let mut received = 0;
        for id in 100..=121 {
            let mut reply = client.next().await;
            if reply.get("push").is_some() {
                received += 1;
                assert_eq!(reply["push"]["pub"]["data"], "once");
                reply = client.next().await;
            }
            assert_eq!((&reply["id"], reply.get("error")), (&json!(id), None), "{reply}");
        }
        if received == 0 {
            assert_eq!(client.push().await["pub"]["data"], "once");
        }
        client.nothing_more().await;
    }
}

#[tokio::test]
async fn and_a_second_subscription_is_refused_without_ending_the_first() {
    let endpoint = endpoint();
    let mut client = Json::connect(&endpoint).await;
    let subscribe = |id: u32| json!({ "id": id, "subscribe": { "channel": "live" } });
    send(&mut client, &[subscribe(100), subscribe(101)]).await;
    assert!(client.next().await.get("subscribe").is_some());
    assert_eq!(client.next().await["error"]["code"], 105);
    client.ask("publish", json!({ "channel": "live", "data": 1 })).await;
    assert_eq!(client.push().await["pub"]["data"], 1);
}
