use sockeye::Server;
use sockeye_hub::Hub;
use tokio::net::TcpListener;

use crate::support::line;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_see_each_other_leave() {
    let hub: Hub<usize> = Hub::builder().build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = hub.clone();
    let chat = move |ws| {
        let hub = served.clone();
        async move {
            let mut session = hub.connect(ws, 0);
            session.join("chat").await?;
            session.send("welcome").await?;
            while let Some(message) = session.recv().await? {
                hub.room("chat").publish(message).await?;
            }
            hub.room("chat").publish("bye").await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        }
    };
    tokio::spawn(Server::from_listener(listener).serve(chat));
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = sockeye::connect(&format!("ws://{address}/")).await.unwrap();
        assert_eq!(line(&mut client).await, "welcome");
        clients.push(client);
    }
    clients[0].send("hello").await.unwrap();
    for client in &mut clients {
        assert_eq!(line(client).await, "hello");
    }
    let mut leaving = clients.remove(0);
    leaving.close(1000, "").await.unwrap();
    for client in &mut clients {
        assert_eq!(line(client).await, "bye");
    }
    assert_eq!(hub.session_count(), 2);
}
