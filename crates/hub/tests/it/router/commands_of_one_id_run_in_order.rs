use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_hub::router::{Context, Json, Router, State};
use tokio::sync::{Semaphore, mpsc};

use crate::router::connection::connect;

/// Tells when a command begins, and lets each wait for its turn.
#[derive(Clone)]
struct Gates {
    begun: mpsc::UnboundedSender<usize>,
    gates: Arc<Vec<Semaphore>>,
}

fn gates(count: usize) -> (Gates, mpsc::UnboundedReceiver<usize>) {
    let (begun, begins) = mpsc::unbounded_channel();
    let gates = (0..count).map(|_| Semaphore::new(0)).collect();
    (Gates { begun, gates: Arc::new(gates) }, begins)
}

async fn wait(State(gates): State<Gates>, Json(gate): Json<usize>) -> Json<usize> {
    gates.begun.send(gate).unwrap();
    let _ = gates.gates[gate].acquire().await.unwrap();
    Json(gate)
}

#[tokio::test]
async fn and_those_of_different_ids_at_once() {
    let (gates, mut begins) = gates(3);
    let mut connected = connect(&Router::new(gates.clone()).on("wait", wait)).await;
    for id in 0..3 {
        connected.send(format!(r#"{{"id":{id},"cmd":"wait","data":{id}}}"#)).await;
        assert_eq!(begins.recv().await, Some(id));
    }
    for id in [1, 2, 0] {
        gates.gates[id].add_permits(1);
        assert_eq!(connected.recv().await, *format!(r#"{{"id":{id},"data":{id}}}"#));
    }
}

#[tokio::test]
async fn also_those_without_an_id() {
    let (gates, mut begins) = gates(3);
    let router = Router::new(gates.clone()).on("wait", wait).on("now", async || "now");
    let mut connected = connect(&router).await;
    for gate in 0..3 {
        connected.send(format!(r#"{{"cmd":"wait","data":{gate}}}"#)).await;
    }
    connected.expect(r#"{"id":1,"cmd":"now"}"#, r#"{"id":1,"data":"now"}"#).await;
    for gate in 0..3 {
        assert_eq!(begins.recv().await, Some(gate));
        assert!(begins.try_recv().is_err(), "the next one waits");
        gates.gates[gate].add_permits(1);
    }
    // A malformed command and an unknown one have their place in the order as well.
    connected.send(r#"{"cmd":"what"}"#).await;
    connected.send("malformed").await;
    assert!(connected.recv().await.as_text().unwrap().contains("unknown command: what"));
    assert!(connected.recv().await.as_text().unwrap().contains("the message is no command"));
}

/// A step of a client and its server.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The client sends a command with this id.
    Send(u8),
    /// A command that has begun, counted from the oldest, is done.
    Finish(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![(0u8..4).prop_map(Step::Send), (0usize..8).prop_map(Step::Finish)];
    vec(step, 0..60)
}

async fn run(steps: Vec<Step>, max_commands: usize) {
    let (gates, mut begins) = gates(steps.len());
    let order = Arc::new(Mutex::new(HashMap::<String, Vec<usize>>::new()));
    let begun_by_id = order.clone();
    let router = Router::new(gates.clone()).max_commands(max_commands).on(
        "wait",
        async move |context: Context, state: State<Gates>, Json(gate): Json<usize>| {
            let id = context.id().unwrap().to_string();
            begun_by_id.lock().unwrap().entry(id).or_default().push(gate);
            wait(state, Json(gate)).await
        },
    );
    let mut connected = connect(&router).await;
    // By id, in order of sending; the first of each may run.
    let mut sent = HashMap::<u8, Vec<usize>>::new();
    let (mut running, mut unfinished, mut replies) = (Vec::new(), 0, 0);
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Send(id) => {
                let command = format!(r#"{{"id":{id},"cmd":"wait","data":{number}}}"#);
                connected.client.send(command).await.unwrap();
                sent.entry(id).or_default().push(number);
                unfinished += 1;
            }
            Step::Finish(which) => {
                // All that may begin begin without any other step.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                while let Ok(gate) = begins.try_recv() {
                    running.push(gate);
                }
                assert!(running.len() <= max_commands);
                assert!(running.is_empty() == (unfinished == 0), "something always runs");
                if running.is_empty() {
                    continue;
                }
                let gate = running.remove(which % running.len());
                gates.gates[gate].add_permits(1);
                let reply = connected.recv().await;
                assert!(reply.as_text().unwrap().ends_with(&format!(r#""data":{gate}}}"#)));
                (unfinished, replies) = (unfinished - 1, replies + 1);
            }
        }
    }
    for gate in &*gates.gates {
        gate.add_permits(1);
    }
    for _ in 0..unfinished {
        connected.recv().await;
        replies += 1;
    }
    assert_eq!(replies, sent.values().map(Vec::len).sum::<usize>(), "one reply each");
    let begun = order.lock().unwrap().clone();
    assert_eq!(begun.len(), sent.len());
    for (id, numbers) in sent {
        assert_eq!(begun[&id.to_string()], numbers);
    }
    connected.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_client_sends_and_whichever_ends_first(
        steps in steps(),
        max_commands in 1usize..10,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(steps, max_commands));
    }
}
