//! Commands whose keys have moved to another server before their slot has.

use std::sync::Arc;

use redis::{Cmd, RedisError, RedisResult, Value};

use super::connection::Connection;
use super::connections::Connections;
use super::link::Link;
use super::refusal::{importing_server, is_migrating, is_passing};
use super::url::Address;
use crate::bus::BusError;

impl Link {
    /// Carries out a command, which may be carried out twice, on the server that the error of the
    /// first server names. Returns `None` if that server does not carry it out now.
    pub(super) async fn ask(
        &self,
        connections: &Connections,
        error: &RedisError,
        command: &Cmd,
    ) -> Result<Option<Value>, BusError> {
        let Some(address) = importing_server(error) else { return Ok(None) };
        let asked = async {
            let connection = self.importing(connections, &address).await?;
            connection.send_asking(command).await
        };
        match asked.await {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_passing(&error) => {
                tracing::debug!(%error, "the server that imports a slot does not answer");
                if !is_migrating(&error) {
                    // The next command connects again, and loads the scripts.
                    connections.importing.lock().await.take();
                }
                Ok(None)
            }
            Err(error) => Err(BusError::Broker(Arc::new(error))),
        }
    }

    /// Returns the connection to a server that imports a slot. It may be none of the primaries yet.
    async fn importing(
        &self,
        connections: &Connections,
        address: &Address,
    ) -> RedisResult<Connection> {
        let mut importing = connections.importing.lock().await;
        match &*importing {
            Some((known, connection)) if known == address => return Ok(connection.clone()),
            _ => {}
        }
        let connection = self.servers.connect_to(address).await?;
        connection.send_all(&self.scripts.load()).await?;
        *importing = Some((address.clone(), connection.clone()));
        Ok(connection)
    }
}
