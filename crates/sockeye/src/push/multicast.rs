use std::sync::Arc;

use sockeye_proto::Prepared;

use super::ConnectionId;
use super::command_queue::{Command, Workers};

/// The connections of a multicast, by their workers.
#[derive(Debug, Default)]
pub(crate) struct WorkerLists {
    /// Usually one server.
    servers: Vec<ServerLists>,
}

#[derive(Debug)]
struct ServerLists {
    workers: Arc<Workers>,
    /// The list of each worker.
    lists: Vec<List>,
}

/// The connections of one worker.
#[derive(Clone, Debug, Default)]
enum List {
    #[default]
    Empty,
    /// The worker's queue had capacity for the command.
    Accepted(Vec<ConnectionId>),
    /// The worker's queue was full or closed.
    Refused,
}

impl WorkerLists {
    /// Adds a connection. Returns whether its worker takes the command.
    #[inline]
    pub(super) fn add(&mut self, workers: &Arc<Workers>, id: ConnectionId) -> bool {
        let known = self.servers.iter().position(|server| Arc::ptr_eq(&server.workers, workers));
        let index = known.unwrap_or_else(|| self.add_server(workers));
        let Some(list) = self.servers[index].lists.get_mut(id.worker()) else { return false };
        if let List::Empty = list {
            let accepted = workers.accept_multicast(id);
            *list = if accepted { List::Accepted(Vec::new()) } else { List::Refused };
        }
        let List::Accepted(connections) = list else { return false };
        connections.push(id);
        true
    }

    #[cold]
    fn add_server(&mut self, workers: &Arc<Workers>) -> usize {
        let lists = vec![List::Empty; workers.command_queues.len()];
        self.servers.push(ServerLists { workers: workers.clone(), lists });
        self.servers.len() - 1
    }

    /// Posts the message to the workers of all connections that were added.
    pub(crate) fn post(&mut self, prepared: &Prepared) {
        for ServerLists { workers, lists } in self.servers.drain(..) {
            for (list, command_queue) in lists.into_iter().zip(&workers.command_queues) {
                if let List::Accepted(connections) = list {
                    // A worker that has stopped meanwhile has closed its connections.
                    let _ = command_queue.post(Command::Multicast(connections, prepared.clone()));
                }
            }
        }
    }
}
