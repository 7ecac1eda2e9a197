//! The example programs that speak protocols of others, each with a server that speaks them too.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "the main functions of the programs are not called")]

use serde_json::{Value, json};
use sockeye::{Server, WebSocket};

#[path = "../../examples/chat_bot.rs"]
mod chat_bot;
#[path = "../../examples/exchange_feed.rs"]
mod exchange_feed;
#[path = "../../examples/obs_client.rs"]
mod obs_client;
#[cfg(feature = "axum")]
#[path = "../../examples/turbo_streams.rs"]
mod turbo_streams;

/// Returns the URL of a server whose connections a function handles.
async fn serve<F>(handler: impl Fn(WebSocket) -> F + Send + Sync + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let options = sockeye::upgrade::Options::new().subprotocols(["obswebsocket.json"]);
    let url = format!("ws://{}", server.local_addr().unwrap());
    tokio::spawn(server.options(options).serve(handler));
    url
}

async fn receive_json(ws: &mut WebSocket) -> Option<Value> {
    let message = ws.recv().await.unwrap()?;
    Some(serde_json::from_slice(message.as_bytes()).unwrap())
}

async fn send_json(ws: &mut WebSocket, value: Value) {
    ws.send(value.to_string()).await.unwrap();
}

/// As OBS Studio: its documentation has this password, salt and challenge as an example.
async fn obs(mut ws: WebSocket) {
    let authentication = json!({
        "challenge": "+IxH4CnCiqpX1rM9scsNynZzbOe4KhDeYcTNS3PDaeY=",
        "salt": "lM1GncleQOaCu9lT1yeUZhFYnqhsLLP1G5lAGo3ixaI=",
    });
    send_json(
        &mut ws,
        json!({ "op": 0, "d": { "rpcVersion": 1, "authentication": authentication } }),
    )
    .await;
    let identify = receive_json(&mut ws).await.unwrap();
    assert_eq!(identify["op"], 1);
    if identify["d"]["authentication"] != "1Ct943GAT+6YQUUX47Ia/ncufilbe6+oD6lY+5kaCu4=" {
        ws.close(4009, "authentication failed").await.unwrap();
        while ws.recv().await.unwrap().is_some() {}
        return;
    }
    send_json(&mut ws, json!({ "op": 2, "d": { "negotiatedRpcVersion": 1 } })).await;
    while let Some(request) = receive_json(&mut ws).await {
        let (kind, data) = (&request["d"]["requestType"], &request["d"]["requestData"]);
        let (status, answer) = match kind.as_str().unwrap() {
            "GetSceneList" => {
                let scenes = json!({ "scenes": [{ "sceneName": "one" }, { "sceneName": "two" }] });
                (json!({ "result": true, "code": 100 }), scenes)
            }
            "SetCurrentProgramScene" if data["sceneName"] == "two" => {
                (json!({ "result": true, "code": 100 }), Value::Null)
            }
            _ => (json!({ "result": false, "code": 600, "comment": "no such scene" }), Value::Null),
        };
        // An event may come before the response.
        send_json(&mut ws, json!({ "op": 5, "d": { "eventType": "ExitStarted" } })).await;
        let id = &request["d"]["requestId"];
        let response = json!({ "requestId": id, "requestStatus": status, "responseData": answer });
        send_json(&mut ws, json!({ "op": 7, "d": response })).await;
    }
}

#[tokio::test]
async fn obs_is_controlled_with_its_password() {
    let url = serve(obs).await;
    let mut client = obs_client::Obs::connect(&url, Some("supersecretpassword")).await.unwrap();
    assert_eq!(client.scenes().await.unwrap(), ["one", "two"]);
    client.switch_to("two").await.unwrap();
    let error = client.switch_to("three").await.unwrap_err().to_string();
    assert_eq!(error, "SetCurrentProgramScene failed with 600: no such scene");
}

#[tokio::test]
async fn obs_refuses_a_wrong_password() {
    let url = serve(obs).await;
    let error = obs_client::Obs::connect(&url, Some("guess")).await.err().unwrap().to_string();
    assert!(error.contains("4009"), "{error}");
    let error = obs_client::Obs::connect(&url, None).await.err().unwrap().to_string();
    assert!(error.contains("OBS_PASSWORD"), "{error}");
}

/// Subscribes each client again as it asks; a hole follows the first snapshot, and the second
/// connection goes on after a restart of the exchange.
async fn exchange(mut ws: WebSocket) {
    let prices = [("snapshot", "10", 5), ("ticker", "11", 6), ("ticker", "13", 8)];
    for round in [&prices[..], &prices[..2]] {
        let request = receive_json(&mut ws).await.unwrap();
        assert_eq!(request, json!({ "type": "subscribe", "products": ["SALMON"] }));
        for (kind, price, sequence) in round {
            let message =
                json!({ "type": kind, "product": "SALMON", "price": price, "sequence": sequence });
            send_json(&mut ws, message).await;
        }
    }
    ws.close(1012, "restart").await.unwrap();
    while ws.recv().await.unwrap().is_some() {}
}

#[tokio::test]
async fn a_feed_tells_holes_and_subscribes_again() {
    use exchange_feed::{Feed, Update};

    let url = serve(exchange).await;
    let mut feed = Feed::new(sockeye::Client::new(url), vec!["SALMON".into()]);
    let price = |price: &str| Update::Price { product: "SALMON".into(), price: price.into() };
    let missed = Update::Missed { product: "SALMON".into() };
    let connection = [price("10"), price("11"), missed, price("10"), price("11"), Update::Stale];
    for expected in connection.iter().chain(&connection[..2]) {
        assert_eq!(feed.next().await.unwrap().as_ref(), Some(expected));
    }
}

async fn chat(mut ws: WebSocket) {
    for expected in ["PASS oauth:secret", "NICK bot", "JOIN #fish"] {
        assert_eq!(ws.recv().await.unwrap().unwrap(), expected);
    }
    ws.send("PING :tmi\r\n:ada!ada@host PRIVMSG #fish :hello\r\n").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "PONG :tmi");
    for _ in 0..30 {
        ws.send(":ada!ada@host PRIVMSG #fish :!time\r\n").await.unwrap();
    }
    ws.send("PING :end\r\n").await.unwrap();
    let mut answers = 0;
    while let Some(line) = ws.recv().await.unwrap().filter(|line| *line != "PONG :end") {
        let line = line.as_text().unwrap().to_owned();
        assert!(line.starts_with("PRIVMSG #fish :@ada "), "{line}");
        answers += 1;
    }
    assert_eq!(answers, 20);
    ws.send(":server NOTICE * :Login authentication failed\r\n").await.unwrap();
    while ws.recv().await.is_ok_and(|message| message.is_some()) {}
}

#[tokio::test]
async fn a_bot_answers_as_often_as_it_may() {
    let url = serve(chat).await;
    let bot = chat_bot::Bot::new(&url, "bot".into(), "fish".into(), "secret".into());
    let error = bot.run().await.unwrap_err().to_string();
    assert!(error.contains("BOT_TOKEN"), "{error}");
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn pages_receive_turbo_streams() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, turbo_streams::app(String::new())).await });
    let mut page = sockeye::connect(&format!("ws://{address}/changes")).await.unwrap();
    let body = "text=%3Cb%3E";
    let request = format!(
        "POST /messages HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 204"), "{response}");
    let change = page.recv().await.unwrap().unwrap();
    assert_eq!(
        change,
        "<turbo-stream action=\"append\" target=\"messages\"><template><li>&lt;b&gt;</li></template>\
         </turbo-stream>"
    );
}
