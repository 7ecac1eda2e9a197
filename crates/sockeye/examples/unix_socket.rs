//! A server and a client on a Unix socket, in one program.
//!
//!     cargo run -p sockeye --example unix_socket

#[cfg(unix)]
#[tokio::main]
async fn main() -> sockeye::Result<()> {
    use sockeye::upgrade::Upgrader;
    use sockeye::{Client, CloseCode};

    let path = std::env::temp_dir().join(format!("sockeye-example-{}.socket", std::process::id()));
    let listener = tokio::net::UnixListener::bind(&path)?;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let mut ws = Upgrader::new().accept(stream).await?;
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        sockeye::Result::Ok(())
    });

    let mut ws = Client::new("ws://localhost/echo").connect_unix(&path).await?;
    ws.send("hello").await?;
    if let Some(message) = ws.recv().await? {
        println!("{message}");
    }
    ws.close(CloseCode::NORMAL_CLOSURE, "").await?;
    std::fs::remove_file(path)?;
    server.await.expect("the server does not panic")
}

#[cfg(not(unix))]
fn main() {
    println!("Unix sockets are for Unix");
}
