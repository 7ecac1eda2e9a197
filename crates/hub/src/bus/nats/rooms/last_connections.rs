use std::collections::HashMap;

use crate::core::NodeId;

/// The maximum number of nodes whose connections are known. Chosen: four times the nodes of a
/// presence, as those of nodes that have ended are kept.
const MAX_NODES: usize = 1_024;

/// The last connection of each node by which publications of a room without history came. The
/// broker numbers nothing there, so each publication has the number of its node's connection.
///
/// The bytes that a node could not send before its connection broke belong to the kernel, which
/// sends them as soon as packets reach the broker again: after what the node has published over its
/// next connection.
#[derive(Debug, Default)]
pub(super) struct LastConnections {
    numbers: HashMap<NodeId, u64>,
}

impl LastConnections {
    /// Returns whether a publication came in time, and not by an earlier connection than another
    /// one of its node. Connections are numbered from 1.
    pub(super) fn admits(&mut self, node: NodeId, connection: u64) -> bool {
        if let Some(last) = self.numbers.get_mut(&node) {
            let is_late = connection < *last;
            *last = connection.max(*last);
            return !is_late;
        }
        // No connection is earlier than the first.
        if connection > 1 {
            if self.numbers.len() == MAX_NODES {
                self.numbers.clear();
            }
            self.numbers.insert(node, connection);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publication_by_an_earlier_connection_is_late() {
        let mut last = LastConnections::default();
        for (node, connection, in_time) in
            [(1, 1, true), (1, 1, true), (1, 2, true), (1, 1, false), (2, 1, true), (1, 2, true)]
        {
            assert_eq!(last.admits(NodeId(node), connection), in_time, "{node} {connection}");
        }
    }

    #[test]
    fn the_number_of_nodes_is_bounded() {
        let mut last = LastConnections::default();
        for node in 0..5_000 {
            assert!(last.admits(NodeId(node), 2));
            assert!(last.numbers.len() <= MAX_NODES);
        }
    }
}
