use std::fmt;

use crate::core::{NodeId, RoomName};

/// The number of slots of a cluster.
const SLOTS: u16 = 16_384;

/// A group of rooms, and of the messages of some nodes: in a cluster, its keys and channels are in
/// one slot, and so on one server, because their names contain its hash tag, such as `{p17}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partition(u16);

impl Partition {
    /// The number of partitions, which is a part of names: all nodes of a hub have the same one.
    /// Chosen: enough to divide the rooms evenly among the servers of a large cluster and to keep
    /// the migration of a slot short, and few enough to subscribe to two channels of each.
    pub(super) const COUNT: u16 = 256;

    /// Returns the partition of a room.
    pub(super) fn of_room(room: &RoomName) -> Self {
        Self(crc16(room.as_str().as_bytes()) % Self::COUNT)
    }

    /// Returns the partition of the messages that a node sends.
    pub(super) fn of_node(node: NodeId) -> Self {
        let remainder = node.0 % u64::from(Self::COUNT);
        Self(u16::try_from(remainder).unwrap_or_default())
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    pub(super) fn index(self) -> usize {
        self.0.into()
    }

    /// Returns the slot of the partition's hash tag.
    pub(super) fn slot(self) -> u16 {
        crc16(self.to_string().as_bytes()) % SLOTS
    }
}

/// Formats the hash tag, without braces.
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

/// Returns the CRC16 of the cluster specification (XMODEM: polynomial 0x1021, initially 0).
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_cluster_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        // As `CLUSTER KEYSLOT` returns them.
        assert_eq!(crc16(b"foo") % SLOTS, 12_182);
        assert_eq!(crc16(b"") % SLOTS, 0);
    }

    #[test]
    fn partitions_are_divided_evenly_among_servers_and_readers() {
        for servers in [2, 3, 4, 6, 8] {
            let mut partitions_of = vec![0; servers];
            for partition in Partition::all() {
                partitions_of[usize::from(partition.slot()) * servers / usize::from(SLOTS)] += 1;
            }
            let even = usize::from(Partition::COUNT) / servers;
            let is_even = partitions_of.iter().all(|count| (even * 8 / 10..).contains(count));
            assert!(is_even, "{partitions_of:?}");
        }
        let mut rooms_of = [0; 4];
        for number in 0..1_000 {
            let room = RoomName::new(&format!("room:{number}")).unwrap();
            assert_eq!(Partition::of_room(&room), Partition::of_room(&room));
            rooms_of[Partition::of_room(&room).index() % 4] += 1;
        }
        assert!(rooms_of.iter().all(|rooms| *rooms > 150), "{rooms_of:?}");
    }

    #[test]
    fn every_node_has_a_partition() {
        for id in [0, 1, 255, 256, u64::MAX] {
            assert!(Partition::all().any(|partition| partition == Partition::of_node(NodeId(id))));
        }
    }
}
