use super::MemberKey;
use crate::core::capacity::shrink;

/// The number of members that a room has without memory of their own: as many as fit beside their
/// number into the size of a vector.
const FEW: usize = 3;

/// The members of a room, in places that are numbered without gaps.
#[derive(Debug)]
pub(super) enum Members {
    Few { places: [MemberKey; FEW], length: u8 },
    Many(Vec<MemberKey>),
}

impl Members {
    pub(super) const fn new() -> Self {
        Self::Few { places: [MemberKey(0); FEW], length: 0 }
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[MemberKey] {
        match self {
            Self::Few { places, length } => &places[..usize::from(*length)],
            Self::Many(members) => members,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [MemberKey] {
        match self {
            Self::Few { places, length } => &mut places[..usize::from(*length)],
            Self::Many(members) => members,
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        match self {
            Self::Few { .. } => 0,
            Self::Many(members) => members.capacity(),
        }
    }

    pub(super) fn push(&mut self, member: MemberKey) {
        match self {
            Self::Few { places, length } => {
                if let Some(place) = places.get_mut(usize::from(*length)) {
                    *place = member;
                    *length += 1;
                    return;
                }
                // Six keys fill the smallest chunk of glibc's allocator.
                let mut members = Vec::with_capacity(2 * FEW);
                members.extend_from_slice(places);
                members.push(member);
                *self = Self::Many(members);
            }
            Self::Many(members) => members.push(member),
        }
    }

    pub(super) fn swap(&mut self, place: usize, other: usize) {
        self.as_mut_slice().swap(place, other);
    }

    /// Removes the member at a place, which the last one takes.
    pub(super) fn swap_remove(&mut self, place: usize) {
        let members = self.as_mut_slice();
        let last = members.len() - 1;
        members.swap(place, last);
        match self {
            Self::Few { length, .. } => *length -= 1,
            Self::Many(members) => {
                members.truncate(last);
                // Two members may join before the room takes memory again.
                if let [member] = **members {
                    *self = Self::Few { places: [member; FEW], length: 1 };
                } else {
                    shrink(members);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_members_take_no_memory_of_their_own() {
        assert_eq!(size_of::<Members>(), size_of::<Vec<MemberKey>>());
        let mut members = Members::new();
        let mut expected = Vec::new();
        for member in (0..20).map(MemberKey) {
            assert_eq!(members.capacity() == 0, expected.len() <= FEW);
            assert_eq!(members.as_slice(), expected);
            members.push(member);
            expected.push(member);
        }
        members.swap(3, 7);
        expected.swap(3, 7);
        while !expected.is_empty() {
            let place = expected.len() / 2;
            members.swap_remove(place);
            expected.swap_remove(place);
            assert_eq!(members.as_slice(), expected);
        }
        assert_eq!(members.capacity(), 0);
    }
}
