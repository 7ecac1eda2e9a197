use std::collections::HashMap;

use sockeye_hub::router::{Context, Json, Router};
use tokio::task::{JoinSet, yield_now};

use crate::router::connection::connect;

/// The number of clients, of the ids of each, and of the commands with each id.
const CLIENTS: u64 = 20;
const IDS: u64 = 7;
const COMMANDS: u64 = 100;

/// Waits a while that depends on the command, and sends the content back.
async fn echo(context: Context, Json(number): Json<u64>) -> Json<u64> {
    let name = context.command().to_string();
    for _ in 0..number * name.len() as u64 % 5 {
        yield_now().await;
    }
    Json(number)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads_at_once() {
    let router = Router::new(()).max_commands(5).on("a", echo).on("abc", echo);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let connected = connect(&router).await;
        clients.spawn(async move {
            let (sender, mut receiver) = connected.client.split();
            let sending = tokio::spawn(async move {
                for number in 0..IDS * COMMANDS {
                    let (id, command) = (number % IDS, if number % 3 == 0 { "a" } else { "abc" });
                    let data = client * IDS * COMMANDS + number;
                    let command = format!(r#"{{"id":{id},"cmd":"{command}","data":{data}}}"#);
                    sender.send(command).await.unwrap();
                }
                sender
            });
            let mut next: HashMap<u64, u64> =
                (0..IDS).map(|id| (id, client * IDS * COMMANDS + id)).collect();
            for _ in 0..IDS * COMMANDS {
                let reply = receiver.recv().await.unwrap().unwrap();
                let reply: HashMap<String, u64> = serde_json::from_slice(reply.as_bytes()).unwrap();
                let next = next.get_mut(&reply["id"]).unwrap();
                assert_eq!(reply["data"], *next, "of the id {}", reply["id"]);
                *next += IDS;
            }
            drop(sending.await.unwrap());
            receiver.close(1000, "").await.unwrap();
            connected.serving.await.unwrap().unwrap();
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
}
