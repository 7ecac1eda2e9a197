use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use sockeye_proto::handshake::RequestError;
use sockeye_proto::{CloseCode, CloseFrame, Message, UsageError};
use sockeye_web::reconnect::{Backoff, Event, Reconnecting};
use sockeye_web::{Client, ConnectError, Error, Result};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use super::peer::{KINDS, Kind, answer, fate, id, sleep};

const TICK: Duration = Duration::from_millis(3);

/// A backoff that is short enough for a test, regardless of the server's hint.
const SOON: Backoff = Backoff::new().base(Duration::from_millis(20)).cap(Duration::from_millis(20));

fn soon(kind: Kind, path: &str) -> Reconnecting {
    Reconnecting::new(kind.client(path)).backoff(SOON)
}

/// A path that leads to no server. Firefox delays connections to a port that failed, up to a
/// minute: the port differs each time.
const NOWHERE: &str = "";

async fn client(kind: Kind, path: &str) -> Client {
    if path != NOWHERE {
        return kind.client(path);
    }
    let port = answer("/unused_port").await;
    Client::new(format!("ws://127.0.0.1:{port}/")).websocket_stream(kind == Kind::Streams)
}

/// Creates a client whose attempts go to these paths, one after the other, and then to the last
/// one.
fn scripted<const N: usize>(kind: Kind, paths: [&'static str; N]) -> Reconnecting {
    soon(kind, "/").before_attempt(move |attempt, _| async move {
        Ok(client(kind, paths[(attempt as usize).min(N) - 1]).await)
    })
}

/// Formats an event briefly, without the delay before an attempt.
fn describe(event: Result<Option<Event>>) -> String {
    match event {
        Ok(Some(Event::Scheduled { attempt, .. })) => format!("scheduled {attempt}"),
        Ok(Some(Event::Failed(error))) => format!("failed: {error:?}"),
        Ok(Some(Event::Connected)) => "connected".into(),
        Ok(Some(Event::Message(message))) => format!("message: {message}"),
        Ok(Some(Event::Closed(Some(frame)))) => format!("closed: {frame}"),
        Ok(Some(Event::Closed(None))) => "closed".into(),
        Ok(Some(Event::Lost(error))) => format!("lost: {error:?}"),
        Ok(Some(other)) => format!("{other:?}"),
        Ok(None) => "over".into(),
        Err(error) => format!("error: {error:?}"),
    }
}

async fn expect<const N: usize>(client: &mut Reconnecting, events: [&str; N]) {
    for expected in events {
        assert_eq!(describe(client.next().await), expected);
    }
}

#[wasm_bindgen_test]
async fn a_server_that_dies_and_returns_is_found_again() {
    for kind in KINDS {
        let name = id();
        let port = answer(&format!("/server?id={name}")).await;
        let url = format!("ws://127.0.0.1:{port}/");
        let client = Client::new(url).websocket_stream(kind == Kind::Streams);
        let mut client = Reconnecting::new(client).backoff(SOON.max_attempts(None));
        expect(&mut client, ["scheduled 1", "connected"]).await;
        client.send("before").await.unwrap();
        expect(&mut client, ["message: before"]).await;
        answer(&format!("/release?id={name}")).await;
        assert_eq!(fate(&name).await, "gone");
        expect(&mut client, ["lost: Disconnected", "scheduled 2", "failed: Failed"]).await;
        expect(&mut client, ["scheduled 3", "failed: Failed", "scheduled 4"]).await;
        assert_eq!(answer(&format!("/server?id={}&port={port}", id())).await, port);
        while describe(client.next().await) != "connected" {}
        client.send("after").await.unwrap();
        expect(&mut client, ["message: after"]).await;
    }
}

#[wasm_bindgen_test]
async fn each_attempt_is_reported_and_messages_continue() {
    for kind in KINDS {
        let paths = [
            "/send_and_close?count=1&length=3&code=1012",
            "/refuse",
            "/send_and_close?count=1&length=4",
        ];
        let events = [
            "scheduled 1",
            "connected",
            "message: (3 bytes)",
            "closed: 1012 (Service Restart)",
            "scheduled 2",
            "failed: Failed",
            "scheduled 3",
            "connected",
            "message: (4 bytes)",
            "closed: 1000 (Normal Closure)",
            "over",
            "over",
        ];
        expect(&mut scripted(kind, paths), events).await;
        // The same through `recv` alone.
        let mut client = scripted(kind, paths);
        assert_eq!(client.recv().await.unwrap().unwrap().len(), 3);
        assert_eq!(client.recv().await.unwrap().unwrap().len(), 4);
        assert_eq!(client.recv().await, Ok(None));
    }
}

#[wasm_bindgen_test]
async fn attempts_are_bounded_in_number() {
    for kind in KINDS {
        let mut client = scripted(kind, [NOWHERE]).backoff(SOON.max_attempts(Some(3)));
        expect(&mut client, ["scheduled 1", "failed: Failed"]).await;
        expect(&mut client, ["scheduled 2", "failed: Failed", "scheduled 3"]).await;
        let error = client.next().await.unwrap_err();
        let last = Box::new(Event::Failed(ConnectError::Failed));
        assert_eq!(error, Error::Connect(ConnectError::GaveUp { attempts: 3, last }));
        expect(&mut client, ["over"]).await;
        assert!(matches!(client.send("late").await, Err(Error::Closed(_))));
    }
}

#[wasm_bindgen_test]
async fn a_server_that_hangs_up_soon_is_not_tried_without_end() {
    for kind in KINDS {
        let mut client = soon(kind, "/die?count=1").backoff(SOON.max_attempts(Some(2)));
        for attempt in ["scheduled 1", "scheduled 2"] {
            expect(&mut client, [attempt, "connected"]).await;
            client.send("x").await.unwrap();
            expect(&mut client, ["message: x"]).await;
            if attempt == "scheduled 1" {
                expect(&mut client, ["lost: Disconnected"]).await;
            }
        }
        let last = Box::new(Event::Lost(Error::Disconnected));
        let gave_up = ConnectError::GaveUp { attempts: 2, last };
        assert_eq!(client.next().await, Err(Error::Connect(gave_up)));
        // A connection that was open for long enough resets the count.
        let backoff = SOON.max_attempts(Some(1)).reset_after(Duration::ZERO);
        let mut client = soon(kind, "/die?count=1").backoff(backoff);
        for _ in 0..3 {
            expect(&mut client, ["scheduled 1", "connected"]).await;
            client.send("x").await.unwrap();
            expect(&mut client, ["message: x", "lost: Disconnected"]).await;
        }
    }
}

#[wasm_bindgen_test]
async fn a_permanent_error_is_not_retried() {
    let scheme = "http".to_owned();
    let mut client = Reconnecting::new(Client::new("http://example.com/"));
    expect(&mut client, ["scheduled 1"]).await;
    let request = ConnectError::Request(RequestError::Scheme { scheme });
    assert_eq!(client.next().await, Err(Error::Connect(request)));
    expect(&mut client, ["over"]).await;
    for kind in KINDS {
        // Unless `retry_when` says otherwise.
        let mut client =
            scripted(kind, [NOWHERE]).retry_when(|error| *error != ConnectError::Failed);
        expect(&mut client, ["scheduled 1"]).await;
        assert_eq!(client.next().await, Err(Error::Connect(ConnectError::Failed)));
    }
}

#[wasm_bindgen_test]
async fn a_permanent_close_is_distinguished_from_a_temporary_one() {
    for kind in KINDS {
        for (code, again) in [
            (1000, false),
            (1001, true),
            (1002, false),
            (1003, false),
            (1008, false),
            (1009, false),
            (1011, true),
            (1012, true),
            (1013, true),
            (3000, true),
            (4999, true),
        ] {
            let mut client = soon(kind, &format!("/close?code={code}"));
            expect(&mut client, ["scheduled 1", "connected"]).await;
            let frame = CloseFrame::from(CloseCode::from(code));
            assert_eq!(client.next().await, Ok(Some(Event::Closed(Some(frame)))));
            expect(&mut client, [if again { "scheduled 2" } else { "over" }]).await;
        }
        let mut client = soon(kind, "/close?code=4003")
            .reopen_when(|frame| frame.is_none_or(|frame| u16::from(frame.code) != 4003));
        expect(&mut client, ["scheduled 1", "connected", "closed: 4003", "over"]).await;
    }
}

#[wasm_bindgen_test]
async fn a_server_that_restarts_is_left_alone_for_as_long_as_it_asks() {
    for (path, least) in [
        ("/close?code=1012", 5),
        ("/close?code=1001&reason=retry+after+8.0+s", 8),
        ("/close?code=1012&reason=retry+after+9999.0+s", 30),
        ("/close?code=1011", 0),
    ] {
        let mut client = Reconnecting::new(Kind::Events.client(path));
        let delay = loop {
            if let Event::Scheduled { attempt: 2, delay } = client.next().await.unwrap().unwrap() {
                break delay;
            }
        };
        let least = Duration::from_secs(least);
        assert!((least..=least + Duration::from_secs(1)).contains(&delay), "{path}: {delay:?}");
    }
}

#[wasm_bindgen_test]
async fn nothing_is_sent_twice() {
    for kind in KINDS {
        let (first, second) = (id(), id());
        let (die, count) = (format!("/die?id={first}&count=5"), format!("/count?id={second}"));
        let mut client = soon(kind, "/").before_attempt(move |attempt, _| {
            let client = kind.client(if attempt == 1 { &die } else { &count });
            async { Ok(client) }
        });
        client.send("known").await.unwrap();
        assert_eq!(client.recv().await, Ok(Some(Message::from("known"))));
        assert_eq!(fate(&first).await, "no code after 5 bytes");
        // The connection is gone, and the browser may or may not know: this message is sent on one
        // of the two connections, or lost.
        client.send("a message of more than five bytes").await.unwrap();
        while client.websocket().is_none_or(|ws| !ws.url().contains("/count")) {
            client.next().await.unwrap();
        }
        client.send("after").await.unwrap();
        client.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        let fate = fate(&second).await;
        assert!(["1000 after 5 bytes", "1000 after 38 bytes"].contains(&&*fate), "{fate}");
    }
}

#[wasm_bindgen_test]
async fn a_message_waits_for_a_connection_and_events_are_kept() {
    for kind in KINDS {
        let mut client = scripted(kind, [NOWHERE, NOWHERE, "/echo"]);
        client.send("hello").await.unwrap();
        let failure = "failed: Failed";
        let events = ["scheduled 1", failure, "scheduled 2", failure, "scheduled 3", "connected"];
        expect(&mut client, events).await;
        expect(&mut client, ["message: hello"]).await;
    }
}

/// Sends messages until the client needs another connection.
async fn send_until_reconnected(client: &mut Reconnecting, attempts: &Cell<u32>) -> Result<()> {
    while attempts.get() < 2 {
        client.send("x").await?;
        sleep(TICK).await;
    }
    Ok(())
}

/// Expects the end of a connection that was sent something while the server closed it; the browser
/// may report that this was lost.
async fn expect_restart(client: &mut Reconnecting) {
    match client.next().await {
        Ok(Some(Event::Closed(Some(frame)) | Event::Lost(Error::Failed(frame)))) => {
            assert_eq!(frame.code, CloseCode::SERVICE_RESTART);
        }
        other => panic!("{other:?}"),
    }
    expect(client, ["scheduled 2", "connected"]).await;
}

/// Creates a client of this path, and then of one whose server is silent, and a counter of
/// attempts.
fn counted(kind: Kind, path: &'static str) -> (Reconnecting, Rc<Cell<u32>>) {
    let attempts = Rc::new(Cell::new(0));
    let last_attempt = attempts.clone();
    // 5 messages of 200 bytes fit in the browser's queue, and exceed what the client keeps.
    let first = kind.client(path).receive_queue(1100);
    let client = Reconnecting::new(first).backoff(SOON).before_attempt(move |attempt, first| {
        last_attempt.set(attempt);
        let client = if attempt == 1 { first } else { kind.client("/mute") };
        async { Ok(client) }
    });
    (client, attempts)
}

#[wasm_bindgen_test]
async fn what_came_before_the_end_is_kept_when_only_sending_goes_on() {
    for kind in KINDS {
        let (mut client, attempts) = counted(kind, "/send_and_close?count=2&length=200&code=1012");
        send_until_reconnected(&mut client, &attempts).await.unwrap();
        expect(&mut client, ["scheduled 1", "connected", "message: (200 bytes)"]).await;
        expect(&mut client, ["message: (200 bytes)"]).await;
        expect_restart(&mut client).await;
    }
}

#[wasm_bindgen_test]
async fn what_is_kept_is_bounded_and_nothing_of_it_is_lost() {
    for kind in KINDS {
        let (mut client, attempts) = counted(kind, "/send_and_close?count=5&length=200&code=1012");
        let full = send_until_reconnected(&mut client, &attempts).await;
        assert_eq!(full, Err(Error::QueueFull { limit: 1100 }));
        assert_eq!(client.send("x").await, full);
        expect(&mut client, ["scheduled 1", "connected"]).await;
        expect(&mut client, ["message: (200 bytes)"; 5]).await;
        send_until_reconnected(&mut client, &attempts).await.unwrap();
        expect_restart(&mut client).await;
    }
}

/// Returns the next event, although each wait for it is dropped after some milliseconds and
/// restarted.
async fn next_with_cancellations(client: &mut Reconnecting) -> String {
    loop {
        if let Either::Left((event, _)) = select(pin!(client.next()), pin!(sleep(TICK))).await {
            return describe(event);
        }
    }
}

#[wasm_bindgen_test]
async fn nothing_is_lost_when_a_wait_is_dropped() {
    for kind in KINDS {
        let path = "/send_and_close?count=2&length=3&code=1012";
        let mut client = soon(kind, path).before_attempt(|attempt, client| async move {
            // Longer than any wait in this test.
            sleep(10 * TICK).await;
            if attempt == 2 { Err("no token".into()) } else { Ok(client) }
        });
        for attempt in [1, 3] {
            for expected in [
                &format!("scheduled {attempt}"),
                "connected",
                "message: (3 bytes)",
                "message: (3 bytes)",
                "closed: 1012 (Service Restart)",
            ] {
                assert_eq!(next_with_cancellations(&mut client).await, expected);
            }
            if attempt == 1 {
                assert_eq!(next_with_cancellations(&mut client).await, "scheduled 2");
                assert!(next_with_cancellations(&mut client).await.starts_with("failed: Hook"));
            }
        }
    }
}

#[wasm_bindgen_test]
async fn it_is_closed_for_good() {
    for kind in KINDS {
        let id = id();
        let mut client = soon(kind, &format!("/count?id={id}"));
        client.send("hello").await.unwrap();
        let code = CloseCode::GOING_AWAY;
        let refused = Err(Error::Usage(UsageError::InvalidCloseCode { code }));
        assert_eq!(client.close(code, "").await, refused);
        client.close(CloseCode::from(4001), "enough").await.unwrap();
        assert_eq!(fate(&id).await, "4001 after 5 bytes");
        assert!(matches!(client.send("late").await, Err(Error::Closed(_))));
        expect(&mut client, ["over"]).await;
        // The same when the call is dropped midway.
        let mut client = soon(kind, "/echo");
        expect(&mut client, ["scheduled 1", "connected"]).await;
        {
            let closing = pin!(client.close(CloseCode::NORMAL_CLOSURE, ""));
            let now = pin!(async {});
            assert!(matches!(select(closing, now).await, Either::Right(_)));
        }
        expect(&mut client, ["closed: 1000 (Normal Closure)", "over"]).await;
        // The same without a connection.
        let mut client = soon(kind, "/stall");
        expect(&mut client, ["scheduled 1"]).await;
        client.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        expect(&mut client, ["over"]).await;
    }
}

#[wasm_bindgen_test]
async fn a_hook_gives_a_fresh_client_for_each_attempt() {
    for kind in KINDS {
        let mut client = soon(kind, "/echo").before_attempt(|attempt, client| async move {
            match attempt {
                1 => Err(io::Error::from(io::ErrorKind::NotConnected).into()),
                // Each attempt starts with the program's client.
                _ => Ok(client.subprotocols(["chat.v2"])),
            }
        });
        expect(&mut client, ["scheduled 1"]).await;
        let Some(Event::Failed(ConnectError::Hook(error))) = client.next().await.unwrap() else {
            panic!("the hook fails")
        };
        assert_eq!(error.to_string(), io::Error::from(io::ErrorKind::NotConnected).to_string());
        expect(&mut client, ["scheduled 2", "connected"]).await;
        assert_eq!(client.websocket().unwrap().subprotocol(), Some("chat.v2"));
        // The hook has the same timeout as a connection.
        let after = Duration::from_millis(50);
        let hasty = kind.client("/echo").connect_timeout(after);
        let mut client =
            Reconnecting::new(hasty).before_attempt(|_, _| std::future::pending::<_>());
        expect(&mut client, ["scheduled 1"]).await;
        let failed = Event::Failed(ConnectError::TimedOut { after });
        assert_eq!(client.next().await, Ok(Some(failed)));
    }
}

#[wasm_bindgen_test]
async fn a_stale_connection_is_dropped_and_another_made_at_once() {
    for kind in KINDS {
        let mut client = soon(kind, "/echo");
        expect(&mut client, ["scheduled 1", "connected"]).await;
        client.reconnect();
        expect(&mut client, ["lost: Disconnected", "scheduled 2", "connected"]).await;
        client.send("after").await.unwrap();
        expect(&mut client, ["message: after"]).await;
    }
}

#[wasm_bindgen_test]
async fn other_tasks_send_while_events_are_waited_for() {
    for kind in KINDS {
        let (sender, mut receiver) = scripted(kind, [NOWHERE, "/echo"]).split();
        let sending = sender.clone();
        spawn_local(async move { sending.send("one").await.unwrap() });
        assert_eq!(receiver.recv().await.unwrap(), Some("one".into()));
        receiver.reconnect();
        let sending = sender.clone();
        spawn_local(async move { sending.send("two").await.unwrap() });
        assert_eq!(receiver.recv().await.unwrap(), Some("two".into()));
        drop(receiver);
        assert!(matches!(sender.send("late").await, Err(Error::Closed(None))));
    }
}
