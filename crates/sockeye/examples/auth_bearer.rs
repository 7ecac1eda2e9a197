//! Admits clients with a token: in a header, as a subprotocol, or in the query.
//!
//!     cargo run -p sockeye --example auth_bearer
//!
//! Programs send `Authorization: Bearer s3cret`. Browsers cannot: a script names the token as a
//! subprotocol beside the real one, `new WebSocket(url, ["chat", "bearer.s3cret"])`, and the server
//! selects only the real one, so that the token is not sent back.
//! `ws://127.0.0.1:8080/?access_token=s3cret` works too, but URLs end up in logs.

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderValue, header::WWW_AUTHENTICATE};
use sockeye::upgrade::{Admission, HostPolicy, Options, Refusal, UpgradeRequest};
use sockeye::{Server, WebSocket};

#[derive(Clone, Debug)]
struct User {
    name: &'static str,
}

/// Users by token. A look-up in a hash table compares a token to at most one entry, under a hash
/// with a secret key: its duration reveals nothing about the valid tokens. A single token, compared
/// to a constant, would need a comparison in constant time. A real program stores digests of
/// tokens, not the tokens.
type Tokens = HashMap<&'static str, User>;

fn admit(request: &UpgradeRequest, tokens: &Tokens) -> Result<Admission, Refusal> {
    let by_subprotocol = || request.subprotocols().iter().find_map(|s| s.strip_prefix("bearer."));
    let by_query = request.query("access_token");
    let token = request.bearer_token().or_else(by_subprotocol).or(by_query.as_deref());
    let challenge = |value| (WWW_AUTHENTICATE, HeaderValue::from_static(value));
    let Some(token) = token else {
        let (name, value) = challenge("Bearer realm=\"chat\"");
        return Err(Refusal::unauthorized("a token is needed\n").header(name, value));
    };
    let Some(user) = tokens.get(token) else {
        let (name, value) = challenge("Bearer realm=\"chat\", error=\"invalid_token\"");
        return Err(Refusal::unauthorized("this token is not valid\n").header(name, value));
    };
    Ok(Admission::new().data(user.clone()))
}

async fn chat(mut ws: WebSocket) -> sockeye::Result<()> {
    let name = ws.data::<User>().map_or("nobody", |user| user.name);
    ws.send(format!("hello {name}")).await?;
    while let Some(message) = ws.recv().await? {
        ws.send(format!("{name}: {message}")).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let tokens = Arc::new(Tokens::from([("s3cret", User { name: "Ada" })]));
    let server = Server::bind("127.0.0.1:8080").await?;
    println!("ws://{}/?access_token=s3cret", server.local_addr()?);
    server
        .options(Options::new().allow_hosts(HostPolicy::loopback()).subprotocols(["chat"]))
        .admit(move |request| {
            let tokens = tokens.clone();
            // A real program queries a database or another service here, and waits for it.
            async move { admit(&request, &tokens) }
        })
        .serve(chat)
        .await
}
