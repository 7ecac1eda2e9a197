use sockeye::push::{Callbacks, Server};
use sockeye_hub::{Disconnect, Hub, SessionHandle, SessionOptions};

use crate::support::{connect, hub, line};

#[tokio::test]
async fn in_the_rooms_of_other_connections() {
    let hub: Hub = hub().build();
    let runtime = tokio::runtime::Handle::current();
    let attached = hub.clone();
    let handlers = Callbacks::new()
        .on_open(move |connection, _| {
            let _entered = runtime.enter();
            let session = attached.attach(connection.handle(), (), SessionOptions::new());
            connection.set_data(session.clone());
            tokio::spawn(async move { session.join("lobby").await });
        })
        .on_message(|connection, message| {
            if let Some(session) = connection.data::<SessionHandle>() {
                let _ = session.try_send(message);
            }
        })
        .on_close(|connection, frame| {
            if let Some(session) = connection.data::<SessionHandle>() {
                session.end(&Disconnect::Client(frame.cloned()));
            }
        });
    let listening = Server::new(move || handlers.clone()).workers(2).listen("127.0.0.1:0").unwrap();
    let (address, stopper) = (listening.local_addr().unwrap(), listening.stopper());
    let server = std::thread::spawn(move || listening.run());

    let mut handled = sockeye::connect(&format!("ws://{address}/")).await.unwrap();
    assert_eq!(line(&mut handled).await, "lobby joined -");
    let (mut client, session) = connect(&hub).await;
    session.join("lobby").await.unwrap();
    assert_eq!(line(&mut client).await, "lobby joined -");
    hub.room("lobby").publish("hello").await.unwrap();
    assert_eq!(line(&mut handled).await, "lobby - hello");
    assert_eq!(line(&mut client).await, "lobby - hello");
    handled.send("echo").await.unwrap();
    assert_eq!(line(&mut handled).await, "echo");
    handled.close(1000, "").await.unwrap();
    while hub.session_count() > 1 {
        tokio::task::yield_now().await;
    }
    stopper.stop();
    tokio::task::spawn_blocking(move || server.join().unwrap()).await.unwrap().unwrap();
}
