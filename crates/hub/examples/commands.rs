//! Commands routed to endpoints: a list of users, which all clients share and change.
//!
//!     cargo run -p sockeye-hub --example commands -- 127.0.0.1:8080
//!
//! A client sends JSON, or plain text if it asks for the subprotocol `text`:
//!
//!     {"id":1,"cmd":"login","data":"Ada"}
//!     {"id":2,"cmd":"listUsers","data":{"prefix":"A"}}
//!     {"id":3,"cmd":"rename","data":{"to":"Grace"}}
//!     {"id":4,"cmd":"countDown","data":10}
//!     {"cancel":4}

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sockeye::upgrade::{HostPolicy, Options};
use sockeye::{Server, WebSocket};
use sockeye_hub::router::codec::TextCommands;
use sockeye_hub::router::{
    Context, Data, Failure, Json, Next, Reply, Request, Router, State, Text, Writer, from_fn,
};
use tokio::net::TcpListener;

/// The users who have logged in, by number, each with the connection.
#[derive(Clone, Default)]
struct Users(Arc<Mutex<HashMap<u64, (User, Writer)>>>);

#[derive(Clone, Serialize)]
struct User {
    name: String,
}

/// The number of the client's user: the data of a connection that has logged in.
#[derive(Clone, Copy)]
struct UserNumber(u64);

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    serve(TcpListener::bind(address).await?).await
}

pub(crate) async fn serve(listener: TcpListener) -> sockeye::Result<()> {
    let json = Router::new(Users::default())
        .on("login", login)
        .on("listUsers", list_users)
        .on("rename", rename)
        .on("countDown", count_down)
        .layer(from_fn(authenticated));
    let text = json.clone().codec(TextCommands::new());
    Server::from_listener(listener)
        .options(Options::new().subprotocols(["text"]))
        .allow_hosts(HostPolicy::loopback().allow_addresses())
        .serve(move |ws: WebSocket| match ws.subprotocol() {
            Some("text") => text.serve(ws),
            _ => json.serve(ws),
        })
        .await
}

/// Lets only `login` pass before the client has logged in.
async fn authenticated(request: Request, next: Next) -> Result<Reply, Failure> {
    if request.command() != "login" && request.data::<UserNumber>().is_none() {
        return Err(Failure::unauthorized("log in first"));
    }
    Ok(next.run(request).await)
}

async fn login(
    State(users): State<Users>,
    context: Context,
    Text(name): Text,
) -> Result<(), Failure> {
    if context.data::<UserNumber>().is_some() {
        return Err(Failure::conflict("logged in already"));
    }
    let user = User { name: valid(&name)? };
    let number = users.add(user.clone(), context.writer())?;
    context.set_data(UserNumber(number));
    users.announce("joined", &user);
    // The writer tells when the client has left.
    tokio::spawn(async move {
        context.writer().closed().await;
        if let Some(user) = users.remove(number) {
            users.announce("left", &user);
        }
    });
    Ok(())
}

#[derive(Deserialize)]
struct Query {
    prefix: String,
}

async fn list_users(State(users): State<Users>, Json(query): Json<Query>) -> Json<Vec<User>> {
    let users = users.lock();
    let found = users.values().map(|(user, _)| user);
    Json(found.filter(|user| user.name.starts_with(&query.prefix)).cloned().collect())
}

#[derive(Deserialize)]
struct Rename {
    to: String,
}

async fn rename(
    State(users): State<Users>,
    Data(UserNumber(number)): Data<UserNumber>,
    Json(rename): Json<Rename>,
) -> Result<Json<User>, Failure> {
    let user = User { name: valid(&rename.to)? };
    users.replace(number, user.clone())?;
    users.announce("renamed", &user);
    Ok(Json(user))
}

/// Takes its time: the client sees events meanwhile, and may cancel it or send other commands.
async fn count_down(context: Context, Json(from): Json<u8>) -> Result<&'static str, Failure> {
    for number in (1..=from).rev() {
        context.push("counted", Json(number)).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok("zero")
}

fn valid(name: &str) -> Result<String, Failure> {
    if name.is_empty() {
        return Err(Failure::bad_request("the name is empty"));
    }
    Ok(name.into())
}

impl Users {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, (User, Writer)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, user: User, writer: &Writer) -> Result<u64, Failure> {
        let mut users = self.lock();
        check_free(&users, &user)?;
        let number = users.keys().max().map_or(0, |last| last + 1);
        users.insert(number, (user, writer.clone()));
        Ok(number)
    }

    fn replace(&self, number: u64, user: User) -> Result<(), Failure> {
        let mut users = self.lock();
        check_free(&users, &user)?;
        if let Some((old, _)) = users.get_mut(&number) {
            *old = user;
        }
        Ok(())
    }

    fn remove(&self, number: u64) -> Option<User> {
        self.lock().remove(&number).map(|(user, _)| user)
    }

    /// Sends an event to all users; one who does not keep up misses it.
    fn announce(&self, event: &str, user: &User) {
        for (_, writer) in self.lock().values() {
            let _ = writer.try_push(event, Json(user));
        }
    }
}

fn check_free(users: &HashMap<u64, (User, Writer)>, user: &User) -> Result<(), Failure> {
    if users.values().any(|(other, _)| other.name == user.name) {
        return Err(Failure::conflict(format!("the name {} is taken", user.name)));
    }
    Ok(())
}
