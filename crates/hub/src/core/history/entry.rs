use std::sync::Arc;

use crate::core::{Epoch, Position, Publication, Tag};

/// A publication with its place in a room's history. Clones share the publication.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The offset of the publication.
    pub offset: u64,
    /// The tag of the publication.
    pub tag: Tag,
    /// The publication before this one; `None` if the store does not know it, as after the expiry
    /// of everything before it in a store without metadata.
    pub previous: Option<Previous>,
    /// The publication itself.
    pub publication: Arc<Publication>,
}

/// The place of an entry's predecessor. The first entry of an epoch has offset 0 and
/// [`Tag::NONE`] as its predecessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Previous {
    /// The offset of the predecessor. It need not be one less: some stores number the publications
    /// of all rooms together.
    pub offset: u64,
    /// The tag of the predecessor; `None` if the store tells the offset only.
    pub tag: Option<Tag>,
}

impl Entry {
    /// Returns the position of a reader who has seen this entry and all before it.
    pub const fn position(&self, epoch: Epoch) -> Position {
        Position { epoch, offset: self.offset, tag: self.tag }
    }

    /// Returns whether this entry is known to be the next one after `position`. Epochs are not
    /// compared. A store that does not tell the predecessor's tag is believed for its offset.
    pub fn follows(&self, position: &Position) -> bool {
        self.offset > position.offset
            && self.previous.is_some_and(|previous| {
                previous.offset == position.offset
                    && previous.tag.is_none_or(|tag| tag == position.tag)
            })
    }

    /// Returns whether `position` is the place of this entry. Epochs are not compared.
    pub fn is_at(&self, position: &Position) -> bool {
        self.offset == position.offset && self.tag == position.tag
    }
}
