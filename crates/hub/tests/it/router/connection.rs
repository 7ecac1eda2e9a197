//! A client and a server that are connected in memory.

use sockeye::upgrade::Upgrader;
use sockeye::{Client, Message, WebSocket};
use sockeye_hub::router::{Router, Writer};
use tokio::io::duplex;
use tokio::task::JoinHandle;

/// The size of the pipe, in bytes each way.
pub(crate) const PIPE: usize = 64 * 1024;

/// A client of a router, and the task that serves it.
pub(crate) struct Connected {
    pub(crate) client: WebSocket,
    /// The writer of the server for this client.
    pub(crate) writer: Writer,
    pub(crate) serving: JoinHandle<sockeye::Result<()>>,
}

pub(crate) async fn pair(pipe: usize) -> (WebSocket, WebSocket) {
    let (near, far) = duplex(pipe);
    let (client, server) = (Client::new("ws://localhost/"), Upgrader::new());
    let (client, server) = tokio::join!(client.handshake(near), server.accept(far));
    (client.unwrap(), server.unwrap())
}

pub(crate) async fn connect<S: Send + Sync + 'static>(router: &Router<S>) -> Connected {
    let (client, server) = pair(PIPE).await;
    let serve = router.serve(server);
    let writer = serve.writer().clone();
    Connected { client, writer, serving: tokio::spawn(serve) }
}

impl Connected {
    pub(crate) async fn send(&mut self, message: impl Into<Message>) {
        self.client.send(message).await.unwrap();
    }

    pub(crate) async fn recv(&mut self) -> Message {
        self.client.recv().await.unwrap().expect("a message")
    }

    /// Sends a command, and asserts that this reply is the next message.
    #[track_caller]
    pub(crate) fn expect(
        &mut self,
        command: impl Into<Message>,
        reply: impl Into<Message>,
    ) -> impl Future<Output = ()> {
        let (command, reply) = (command.into(), reply.into());
        let caller = std::panic::Location::caller();
        async move {
            self.send(command).await;
            assert_eq!(self.recv().await, reply, "at {caller}");
        }
    }

    pub(crate) async fn close(mut self) {
        self.client.close(1000, "").await.unwrap();
        self.serving.await.unwrap().unwrap();
    }
}
