use std::sync::Arc;

use redis::{Cmd, ErrorKind, PushKind, RedisResult, Value, cmd};

use super::connection::{Connection, Connector};
use super::error::ServerError;
use super::outlet::Outlet;
use super::refusal::is_migrating;
use super::state::{State, StateSender};
use super::url::Address;

/// A primary to connect to.
#[derive(Debug)]
pub(super) struct Primary {
    pub(super) address: Address,
    pub(super) connector: Connector,
    pub(super) proof: Proof,
    /// The command that the server answers while it can be used.
    pub(super) check: Cmd,
    /// One for each connection that receives what is published.
    pub(super) outlets: Vec<Arc<Outlet>>,
    pub(super) state: Arc<StateSender>,
}

/// The proof that a server is the primary that it was taken for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Proof {
    /// None: a replica is found when it refuses a command.
    None,
    /// The reply to `ROLE`: a sentinel may not know of a failover yet.
    Role,
    /// The reply to the check: the server still has the slot, if only to move it, and the cluster
    /// works.
    Check,
}

/// The connections to a primary.
#[derive(Debug)]
pub(super) struct ConnectedPrimary {
    pub(super) commands: Connection,
    pub(super) readers: Vec<Reader>,
    pub(super) check: Cmd,
}

/// A connection that receives what is published.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) outlet: Arc<Outlet>,
}

impl Primary {
    pub(super) async fn connect(self) -> Result<ConnectedPrimary, ServerError> {
        let connected = self.try_connect().await;
        connected.map_err(|error| ServerError { address: self.address, error })
    }

    async fn try_connect(&self) -> RedisResult<ConnectedPrimary> {
        let state = self.state.clone();
        let commands = self.connector.connect(&self.address, move |info| {
            if info.kind == PushKind::Disconnection {
                state.report(State::Broken);
            }
        });
        let commands = commands.await?;
        match self.proof {
            Proof::None => {}
            Proof::Role => check_role(&commands).await?,
            Proof::Check => match commands.send_step(&self.check).await {
                Err(error) if !is_migrating(&error) => return Err(error),
                _ => {}
            },
        }
        let mut readers = Vec::new();
        for outlet in self.outlets.iter().cloned() {
            let pushed = outlet.clone();
            let connect = self.connector.connect(&self.address, move |info| pushed.receive(info));
            readers.push(Reader { connection: connect.await?, outlet });
        }
        Ok(ConnectedPrimary { commands, readers, check: self.check.clone() })
    }
}

async fn check_role(server: &Connection) -> RedisResult<()> {
    let role = match server.send_step(&cmd("ROLE")).await? {
        Value::Array(parts) => parts.into_iter().next(),
        _ => None,
    };
    match role {
        Some(Value::BulkString(role)) if role == b"master" => Ok(()),
        _ => Err((ErrorKind::Client, "the server that the sentinel names is not a primary").into()),
    }
}
