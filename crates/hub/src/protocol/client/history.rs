//! Reads of histories, and positions whose tags clients did not keep.

use super::super::presented::Presented;
use super::{Client, GapReason, Refusal};
use crate::bus::Source;
use crate::core::history::{Entry, Limit, Page, Range};
use crate::core::{Epoch, Position, RoomName, Tag};

/// The maximum size of a reply to a request for history, in bytes of publications. Chosen: half of
/// what the outbox of a session takes of replies by default.
const MAX_BYTES: usize = 512 << 10;

/// The tag in place of one that is not known: larger than the random tags of 32 bits, and later
/// than every timestamp.
const UNKNOWN: Tag = Tag(u64::MAX);

/// The position in place of one that no hub has given, which no history proves.
const NOWHERE: Position = Position { epoch: Epoch(0), offset: 0, tag: UNKNOWN };

/// A client's request to read a history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HistoryRequest {
    /// The position after which to begin; backwards, the position before which to begin.
    pub(crate) since: Option<Presented>,
    /// The maximum number of publications.
    pub(crate) limit: usize,
    pub(crate) backwards: bool,
}

/// A part of a history.
#[derive(Clone, Debug)]
pub(crate) struct HistoryReply {
    /// The position after the newest publication.
    pub(crate) top: Position,
    /// The retained publications, in the direction of the request.
    pub(crate) entries: Vec<Entry>,
    /// `true` if there are more in this direction.
    pub(crate) more: bool,
    /// The reason why publications may be missing after the position of the request.
    pub(crate) gap: Option<GapReason>,
}

impl<S: Send + Sync + 'static> Client<S> {
    /// Reads a part of a room's history.
    pub(crate) async fn history(
        &self,
        room: &RoomName,
        request: HistoryRequest,
    ) -> Result<HistoryReply, Refusal> {
        self.check_reader(room, |rules| rules.history)?;
        let forced = self.session.forced_filter(room);
        let HistoryRequest { since, limit, backwards } = request;
        let limit = limit.min(self.config().limits.history);
        // The entry at the position of the request proves it, and is not part of the reply.
        let page_limit = Limit { count: limit.saturating_add(1), bytes: MAX_BYTES };
        let offset = since.and_then(|since| since.offset());
        let range = match (backwards, offset) {
            (false, offset) => Range { start: offset, ..Range::forwards(page_limit) },
            (true, None) => Range::backwards(page_limit),
            (true, Some(offset)) => Range::backwards(page_limit).at(offset.saturating_sub(1)),
        };
        let mut page = self.hub().read_history(room, range, Source::Any).await?;
        let mut gap = since.and_then(|since| find_gap(&page, since, backwards));
        let wanted = |entry: &&Entry| {
            let follows = match offset {
                Some(offset) if backwards => entry.offset < offset,
                Some(offset) => entry.offset > offset,
                None => true,
            };
            let tags = &entry.publication.tags;
            follows && forced.as_ref().is_none_or(|forced| forced.matches(tags))
        };
        let mut entries: Vec<_> = page.entries.iter().filter(wanted).cloned().collect();
        // A client continues after the last publication of a page, and could not after a page of
        // which the filter leaves none. The retention of the room bounds the number of reads.
        while entries.is_empty() && gap.is_none() && forced.is_some() && limit > 0 {
            let (Some(next), Some(last)) = (page.next_range(), page.entries.last()) else { break };
            let last = last.position(page.top.epoch);
            let count = self.config().limits.history.saturating_add(1);
            let range = Range { limit: Limit { count, bytes: MAX_BYTES }, ..next };
            // Forwards, the last entry proves that none is missing between the pages.
            let range = if backwards { range } else { range.at(last.offset) };
            page = self.hub().read_history(room, range, Source::Any).await?;
            gap = if backwards {
                (page.top.epoch != last.epoch).then_some(GapReason::Epoch)
            } else {
                page.after(&last).err()
            };
            entries.extend(page.entries.iter().filter(wanted).cloned());
        }
        let more = page.remaining > 0 || entries.len() > limit;
        entries.truncate(limit);
        Ok(HistoryReply { top: page.top, entries, more, gap })
    }

    /// Returns the position that a client presents, to recover from; `None` if the client presents
    /// none, or the room has no history.
    ///
    /// A client that did not keep the tag of its position is believed that it has seen the
    /// publication at its offset which the store has, unless the store contradicts the earlier
    /// position of the client. A store that was rolled back since then is noticed by the nodes,
    /// which replace the epoch.
    ///
    /// A client that may not read the history recovers only from a position that proves that it was
    /// there, by the tag of a publication: its own or its earlier one. Other positions would be a
    /// way to read the history. Of them is offset 0, whose tag all clients know: it is believed
    /// while nothing was published.
    pub(super) async fn resolve(
        &self,
        room: &RoomName,
        presented: Option<Presented>,
        granted: bool,
    ) -> Result<Option<Position>, Refusal> {
        if self.hub().options(room)?.retention.is_none() {
            return Ok(None);
        }
        let presented = match presented {
            // A history that is replaced before the client joins is found by its epoch.
            Some(Presented::Beginning) => {
                let epoch = self.read_at(room, 0).await?.top.epoch;
                Some(Presented::Exact(Position::start(epoch)))
            }
            presented => presented,
        };
        let reads = self.memberships.allows_as_member(room, granted, |rules| rules.history);
        if let Some(presented) = presented.filter(|_| !reads) {
            if !self.is_proven(room, presented).await? {
                return Ok(Some(NOWHERE));
            }
        }
        let (epoch, offset, earlier) = match presented {
            None => return Ok(None),
            // The beginning is a position by now.
            Some(Presented::Beginning | Presented::Foreign) => return Ok(Some(NOWHERE)),
            Some(Presented::Exact(position)) => return Ok(Some(position)),
            Some(Presented::Untagged { epoch, offset, earlier }) => (epoch, offset, earlier),
        };
        if let Some(earlier) = earlier.filter(|earlier| earlier.offset < offset) {
            let page = self.read_at(room, earlier.offset).await?;
            if let Err(GapReason::RolledBack | GapReason::Epoch) = page.after(&earlier) {
                return Ok(Some(earlier));
            }
        }
        let page = self.read_at(room, offset).await?;
        let tag = if epoch == page.top.epoch { tag_at(&page, offset) } else { None };
        // With an unknown tag the recovery fails, for the right reason.
        Ok(Some(Position { epoch, offset, tag: tag.unwrap_or(UNKNOWN) }))
    }

    /// Returns whether only a client that was in the room can know a position.
    async fn is_proven(&self, room: &RoomName, presented: Presented) -> Result<bool, Refusal> {
        let known = match presented {
            // A wrong tag is found by the recovery.
            Presented::Exact(position) if position.offset > 0 => return Ok(true),
            Presented::Exact(position) => position,
            Presented::Untagged { offset, earlier: Some(earlier), .. }
                if earlier.offset < offset =>
            {
                earlier
            }
            Presented::Untagged { .. } | Presented::Beginning | Presented::Foreign => {
                return Ok(false);
            }
        };
        let page = self.read_at(room, known.offset).await?;
        Ok(page.after(&known).is_ok() && (known.offset > 0 || page.top.offset == 0))
    }

    /// Reads the entries that prove an offset.
    async fn read_at(&self, room: &RoomName, offset: u64) -> Result<Page, Refusal> {
        let limit = Limit { count: Limit::MIN_PAGE, bytes: 0 };
        let range = Range::forwards(limit).at(offset);
        Ok(self.hub().read_history(room, range, Source::Leader).await?)
    }
}

/// Returns the tag of the publication at an offset, as far as a page that begins there tells it.
fn tag_at(page: &Page, offset: u64) -> Option<Tag> {
    if offset == page.top.offset {
        return Some(page.top.tag);
    }
    let first = page.entries.first()?;
    if first.offset == offset {
        return Some(first.tag);
    }
    let previous = first.previous.filter(|previous| previous.offset == offset)?;
    previous.tag
}

/// Returns the reason why a page may lack publications next to a position.
fn find_gap(page: &Page, since: Presented, backwards: bool) -> Option<GapReason> {
    let is_other_epoch = match since {
        Presented::Beginning => false,
        since => since.epoch() != Some(page.top.epoch),
    };
    if is_other_epoch {
        return Some(GapReason::Epoch);
    }
    match since {
        // Nothing follows a position backwards that it could prove.
        _ if backwards => None,
        Presented::Beginning => page.after(&Position::start(page.top.epoch)).err(),
        Presented::Exact(position) => page.after(&position).err(),
        Presented::Untagged { epoch, offset, .. } => {
            let tag = tag_at(page, offset);
            let position = Position { epoch, offset, tag: tag.unwrap_or(UNKNOWN) };
            page.after(&position).err()
        }
        Presented::Foreign => Some(GapReason::Epoch),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::history::Previous;
    use crate::core::{Epoch, Publication};

    const EPOCH: Epoch = Epoch(7);

    fn entry(offset: u64) -> Entry {
        let previous = Previous { offset: offset - 1, tag: Some(Tag(offset - 1)) };
        let publication = Arc::new(Publication::new("x"));
        Entry { offset, tag: Tag(offset), previous: Some(previous), publication }
    }

    fn page(start: u64, offsets: std::ops::RangeInclusive<u64>) -> Page {
        Page {
            range: Range::forwards(Limit::NONE).at(start),
            top: Position { epoch: EPOCH, offset: 9, tag: Tag(9) },
            entries: offsets.map(entry).collect(),
            remaining: 0,
        }
    }

    #[test]
    fn the_tag_of_an_offset_is_that_of_its_entry_of_the_next_one_or_of_the_top() {
        assert_eq!(tag_at(&page(5, 5..=9), 5), Some(Tag(5)));
        assert_eq!(tag_at(&page(5, 6..=9), 5), Some(Tag(5)));
        assert_eq!(tag_at(&page(9, 9..=9), 9), Some(Tag(9)));
        assert_eq!(tag_at(&page(4, 6..=9), 4), None);
        let empty = Page { entries: Vec::new(), ..page(10, 9..=9) };
        assert_eq!(tag_at(&empty, 10), None);
    }

    #[test]
    fn a_position_of_another_history_or_of_trimmed_publications_is_a_gap() {
        let untagged = |epoch, offset| Presented::Untagged { epoch, offset, earlier: None };
        let exact = |offset, tag| Presented::Exact(Position { epoch: EPOCH, offset, tag });
        let cases = [
            (untagged(EPOCH, 5), None),
            (untagged(Epoch(1), 5), Some(GapReason::Epoch)),
            (exact(5, Tag(5)), None),
            (exact(5, Tag(6)), Some(GapReason::RolledBack)),
            (Presented::Beginning, Some(GapReason::Trimmed)),
            (Presented::Foreign, Some(GapReason::Epoch)),
        ];
        for (since, gap) in cases {
            assert_eq!(find_gap(&page(5, 5..=9), since, false), gap, "{since:?}");
        }
        assert_eq!(find_gap(&page(0, 1..=9), Presented::Beginning, false), None);
        let since = untagged(EPOCH, 3);
        assert_eq!(find_gap(&page(3, 5..=9), since, false), Some(GapReason::Trimmed));
        assert_eq!(find_gap(&page(3, 5..=9), since, true), None);
    }
}
