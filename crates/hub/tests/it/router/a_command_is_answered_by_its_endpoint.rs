use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use sockeye::Utf8Bytes;
use sockeye::bytes::Bytes;
use sockeye_hub::router::{
    Binary, CommandName, Content, Context, Data, Failure, FromRef, FromRequest, Json, NoReply,
    Reply, Request, Router, State, Text,
};

use crate::router::connection::{Connected, connect, pair};

#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<String>>>);

/// Not `Clone`: endpoints take its parts.
struct App {
    names: Names,
    title: &'static str,
}

impl FromRef<App> for Names {
    fn from_ref(app: &App) -> Self {
        app.names.clone()
    }
}

impl FromRef<App> for &'static str {
    fn from_ref(app: &App) -> Self {
        app.title
    }
}

#[derive(Deserialize)]
struct Query {
    prefix: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct User {
    name: String,
}

async fn list_users(
    State(names): State<Names>,
    Json(query): Json<Query>,
) -> Result<Json<Vec<User>>, Failure> {
    let names = names.0.lock().unwrap().clone();
    let found = names.into_iter().filter(|name| name.starts_with(&query.prefix));
    Ok(Json(found.map(|name| User { name }).collect()))
}

async fn add_user(State(names): State<Names>, Text(name): Text) {
    names.0.lock().unwrap().push(name.to_string());
}

fn router() -> Router<App> {
    Router::new(App { names: Names::default(), title: "users" })
        .on("listUsers", list_users)
        .on("addUser", add_user)
        .on("title", async |State(title): State<&'static str>| title)
}

#[tokio::test]
async fn by_name_with_the_content_and_the_state_that_it_asks_for() {
    let mut connected = connect(&router()).await;
    connected.expect(r#"{"id":1,"cmd":"addUser","data":"Ada"}"#, r#"{"id":1,"data":null}"#).await;
    connected.expect(r#"{"id":2,"cmd":"addUser","data":"Bob"}"#, r#"{"id":2,"data":null}"#).await;
    let list = r#"{"id":"3","cmd":"listUsers","data":{"prefix":"A"}}"#;
    connected.expect(list, r#"{"id":"3","data":[{"name":"Ada"}]}"#).await;
    connected.expect(r#"{"id":4,"cmd":"title"}"#, r#"{"id":4,"data":"users"}"#).await;
    connected.close().await;
}

#[tokio::test]
async fn connections_share_the_state() {
    let router = router();
    let (mut first, mut second) = (connect(&router).await, connect(&router.clone()).await);
    first.expect(r#"{"id":1,"cmd":"addUser","data":"Ada"}"#, r#"{"id":1,"data":null}"#).await;
    let list = r#"{"id":1,"cmd":"listUsers","data":{"prefix":""}}"#;
    second.expect(list, r#"{"id":1,"data":[{"name":"Ada"}]}"#).await;
}

#[tokio::test]
async fn without_an_id_only_failures_are_answered() {
    let mut connected = connect(&router()).await;
    connected.send(r#"{"cmd":"addUser","data":"Ada"}"#).await;
    let reply = r#"{"cmd":"addUser","error":{"code":400,"message":"the content does not fit: invalid type: integer `7`, expected a string at line 1 column 1"}}"#;
    connected.expect(r#"{"cmd":"addUser","data":7}"#, reply).await;
    let list = r#"{"id":1,"cmd":"listUsers","data":{"prefix":""}}"#;
    connected.expect(list, r#"{"id":1,"data":[{"name":"Ada"}]}"#).await;
}

#[tokio::test]
async fn or_by_the_fallback_or_told_that_it_is_unknown() {
    let mut connected = connect(&router()).await;
    let unknown = r#"{"id":1,"error":{"code":501,"message":"unknown command: \"\n"}}"#;
    connected.expect(r#"{"id":1,"cmd":"\"\n"}"#, unknown).await;
    connected.send(format!(r#"{{"id":1,"cmd":"{}"}}"#, "ä".repeat(10_000))).await;
    assert!(connected.recv().await.len() < 250, "a long name is not sent back");

    let router = router().fallback(async |context: Context, request: Request| {
        assert_eq!(*request.content(), Content::Empty);
        context.command().to_string()
    });
    let mut connected = connect(&router).await;
    connected.expect(r#"{"id":1,"cmd":"what"}"#, r#"{"id":1,"data":"what"}"#).await;
    connected.expect(r#"{"id":1,"cmd":7}"#, r#"{"id":1,"data":"7"}"#).await;
}

#[tokio::test]
async fn messages_that_are_no_commands_are_answered_too() {
    let mut connected = connect(&router()).await;
    for message in ["", "what", "[]", r#"{"cmd":"#] {
        connected.send(message).await;
        let reply = connected.recv().await;
        let text = reply.as_text().unwrap();
        assert!(text.starts_with(r#"{"error":{"code":400,"message":"the message is no"#), "{text}");
    }
    let reply = r#"{"id":5,"error":{"code":400,"message":"neither cmd nor cancel is given"}}"#;
    connected.expect(r#"{"id":5}"#, reply).await;
    connected.expect(r#"{"id":4,"cmd":"title"}"#, r#"{"id":4,"data":"users"}"#).await;
}

#[tokio::test]
async fn with_anything_that_is_a_reply() {
    let router = Router::new(())
        .on("nothing", async || ())
        .on("str", async || "a")
        .on("string", async || String::from("b"))
        .on("text", async || Text("c".into()))
        .on("utf8", async || Utf8Bytes::from("d"))
        .on("bytes", async || Bytes::from_static(b"e"))
        .on("vec", async || vec![b'f'])
        .on("binary", async || Binary("g".into()))
        .on("json", async || Json(HashMap::from([("h", 1)])))
        .on("content", async || Content::Json("[2]".into()))
        .on("reply", async || Reply::Content(Content::Empty))
        .on("failure", async || Failure::conflict("i"))
        .on("ok", async || Ok::<_, Failure>("j"))
        .on("nested", async || Ok::<Result<&str, Failure>, Failure>(Ok("k")))
        .on("silent", async || NoReply)
        .on("no json", async || Json(HashMap::from([((1, 2), 3)])));
    let mut connected = connect(&router).await;
    for (command, reply) in [
        ("nothing", r#""data":null}"#),
        ("str", r#""data":"a"}"#),
        ("string", r#""data":"b"}"#),
        ("text", r#""data":"c"}"#),
        ("utf8", r#""data":"d"}"#),
        ("bytes", r#""data":"ZQ=="}"#),
        ("vec", r#""data":"Zg=="}"#),
        ("binary", r#""data":"Zw=="}"#),
        ("json", r#""data":{"h":1}}"#),
        ("content", r#""data":[2]}"#),
        ("reply", r#""data":null}"#),
        ("failure", r#""error":{"code":409,"message":"i"}}"#),
        ("ok", r#""data":"j"}"#),
        ("nested", r#""data":"k"}"#),
        ("no json", r#""error":{"code":500,"message":"internal error"}}"#),
    ] {
        connected.send(r#"{"id":0,"cmd":"silent"}"#).await;
        let command = format!(r#"{{"id":1,"cmd":"{command}"}}"#);
        connected.expect(command, format!(r#"{{"id":1,{reply}"#)).await;
    }
}

#[tokio::test]
async fn with_as_many_arguments_as_eight() {
    type T = Text;
    let router = Router::new(()).on(
        "eight",
        async |a: T, b: T, c: T, d: T, e: T, f: T, g: T, Json(h): Json<String>| {
            format!("{a}{b}{c}{d}{e}{f}{g}{h}")
        },
    );
    let mut connected = connect(&router).await;
    let command = r#"{"id":1,"cmd":"eight","data":"x"}"#;
    connected.expect(command, r#"{"id":1,"data":"xxxxxxxx"}"#).await;
}

#[derive(Clone)]
struct Account(&'static str);

impl<S: Sync> FromRequest<S> for Account {
    async fn from_request(request: &Request, _: &S) -> Result<Self, Failure> {
        tokio::task::yield_now().await;
        request.data().ok_or_else(|| Failure::unauthorized("log in first"))
    }
}

#[tokio::test]
async fn with_extractors_of_the_application_and_the_data_of_the_connection() {
    let router = Router::new(())
        .on("login", async |context: Context| {
            let before = context.set_data(Account("Ada"));
            before.map_or("nobody", |user| user.0)
        })
        .on("own", async |user: Account| user.0)
        .on("data", async |Data(user): Data<Account>| user.0)
        .on("optional", async |user: Result<Account, Failure>| match user {
            Ok(user) => user.0.to_owned(),
            Err(failure) => failure.to_string(),
        });
    let mut connected = connect(&router).await;
    let fails = async |connected: &mut Connected, command: &str, error: &str| {
        let command = format!(r#"{{"id":1,"cmd":"{command}"}}"#);
        connected.expect(command, format!(r#"{{"id":1,"error":{error}}}"#)).await;
    };
    fails(&mut connected, "own", r#"{"code":401,"message":"log in first"}"#).await;
    fails(&mut connected, "data", r#"{"code":500,"message":"internal error"}"#).await;
    for (command, reply) in [
        ("optional", "401: log in first"),
        ("login", "nobody"),
        ("own", "Ada"),
        ("data", "Ada"),
        ("optional", "Ada"),
        ("login", "Ada"),
    ] {
        let command = format!(r#"{{"id":1,"cmd":"{command}"}}"#);
        connected.expect(command, format!(r#"{{"id":1,"data":"{reply}"}}"#)).await;
    }
    let mut other = connect(&router).await;
    fails(&mut other, "own", r#"{"code":401,"message":"log in first"}"#).await;
}

#[tokio::test]
async fn with_the_data_that_the_client_was_admitted_with() {
    let (client, mut server) = pair(1000).await;
    server.set_data(Account("Ada"));
    let router = Router::new(()).on("own", async |user: Account, context: Context| {
        assert_eq!((context.peer_addr(), context.subprotocol()), (None, None));
        assert_eq!(*context.command(), "own");
        user.0
    });
    let serve = router.serve(server);
    let writer = serve.writer().clone();
    let mut connected = Connected { client, writer, serving: tokio::spawn(serve) };
    connected.expect(r#"{"id":1,"cmd":"own"}"#, r#"{"id":1,"data":"Ada"}"#).await;
}

#[test]
#[should_panic = "the command \"a\" has two endpoints"]
fn two_endpoints_of_one_command_are_refused() {
    let _ = Router::new(()).on("a", async || ()).on(CommandName::from("a"), async || ());
}
