use std::slice;

use crate::core::NodeId;

/// The nodes that subscribe to a room, each once: in most programs one, which then takes no memory
/// of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subscribers {
    One(NodeId),
    Many(Box<[NodeId]>),
}

impl Subscribers {
    pub(super) fn nodes(&self) -> &[NodeId] {
        match self {
            Self::One(node) => slice::from_ref(node),
            Self::Many(nodes) => nodes,
        }
    }

    pub(super) fn insert(&mut self, node: NodeId) {
        if !self.nodes().contains(&node) {
            *self = Self::Many(self.nodes().iter().copied().chain([node]).collect());
        }
    }

    /// Removes a node. Returns whether others remain; the value means nothing otherwise.
    pub(super) fn remove(&mut self, node: NodeId) -> bool {
        let nodes = self.nodes().iter().copied().filter(|other| *other != node);
        let nodes: Box<[NodeId]> = nodes.collect();
        let remain = !nodes.is_empty();
        *self = match *nodes {
            [other] => Self::One(other),
            _ => Self::Many(nodes),
        };
        remain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_subscribes_once_and_is_removed() {
        let mut subscribers = Subscribers::One(NodeId(1));
        subscribers.insert(NodeId(1));
        assert_eq!(subscribers, Subscribers::One(NodeId(1)));
        subscribers.insert(NodeId(2));
        subscribers.insert(NodeId(2));
        assert_eq!(subscribers.nodes(), [NodeId(1), NodeId(2)]);
        assert!(subscribers.remove(NodeId(3)));
        assert!(subscribers.remove(NodeId(1)));
        assert_eq!(subscribers, Subscribers::One(NodeId(2)));
        assert!(!subscribers.remove(NodeId(2)));
    }

    #[test]
    fn a_single_node_takes_two_words() {
        assert_eq!(size_of::<Subscribers>(), 2 * size_of::<usize>());
    }
}
