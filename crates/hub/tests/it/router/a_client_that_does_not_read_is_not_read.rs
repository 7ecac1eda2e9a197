use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye_hub::router::{Router, State};
use tokio::time::sleep;

use crate::router::connection::connect;

/// The length of a reply, in bytes.
const LENGTH: usize = 1000;

async fn reply(State(count): State<Arc<AtomicUsize>>) -> String {
    count.fetch_add(1, Ordering::SeqCst);
    "x".repeat(LENGTH)
}

#[tokio::test(start_paused = true)]
async fn and_no_reply_is_lost() {
    const COMMANDS: usize = 3000;

    let count = Arc::new(AtomicUsize::new(0));
    let router = Router::new(count.clone()).on("reply", reply).send_capacity(20_000);
    let mut connected = connect(&router).await;
    let (sender, mut receiver) = connected.client.split();
    let sending = tokio::spawn(async move {
        for id in 0..COMMANDS {
            // Every second command has no lane of its own.
            sender.send(format!(r#"{{"id":{},"cmd":"reply"}}"#, id % 2 * id)).await.unwrap();
        }
        sender
    });
    sleep(Duration::from_secs(10)).await;
    // The send queue, the pipe, the client's buffers and the commands in flight.
    let served = count.load(Ordering::SeqCst);
    assert!(served < 300, "{served} commands are served for a client that reads no reply");
    for _ in 0..COMMANDS {
        let reply = receiver.recv().await.unwrap().unwrap();
        assert!(reply.len() > LENGTH);
    }
    let _sender = sending.await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), COMMANDS);
    connected.serving.abort();
    let _ = (&mut connected.serving).await;
}
