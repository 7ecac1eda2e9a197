use super::ask::Read;
use crate::core::history::{Limit, Page, Range};

/// Joins the reads of one room: while one read is under way, all others wait, and then share pages.
/// Thousands of sessions that return at once cost few reads.
///
/// A reader is answered by a read that began after it asked, so that its page is never older than
/// the question. `R` names a reader. A reader asks once at a time, and is [removed](Self::remove)
/// when it goes: so there are never more of them than sessions in the room, and the chain.
#[derive(Debug)]
pub struct ReadShare<R> {
    limit: Limit,
    /// In the order in which they asked.
    waiting: Vec<Waiting<R>>,
    under_way: bool,
    /// `true` if the next read begins with the reader that waited longest, rather than with the one
    /// that is furthest behind. In turns, so that nobody starves and pages serve many.
    oldest_next: bool,
}

/// One read for several readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedRead {
    /// The range to read.
    pub range: Range,
    /// `true` if the store's leader has to answer.
    pub leader: bool,
}

/// The result of [`ReadShare::on_page`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared<R> {
    /// The readers that the page answers.
    pub readers: Vec<R>,
    /// The next read.
    pub read: Option<SharedRead>,
}

#[derive(Debug)]
struct Waiting<R> {
    reader: R,
    read: Read,
    /// `true` if the read under way began after the reader asked.
    joined: bool,
}

impl<R> ReadShare<R> {
    /// Creates an idle share, whose pages have at most this size.
    pub const fn new(limit: Limit) -> Self {
        Self { limit, waiting: Vec::new(), under_way: false, oldest_next: true }
    }

    /// Adds a reader. Returns the read to carry out, if none is under way.
    pub fn ask(&mut self, reader: R, read: Read) -> Option<SharedRead> {
        self.waiting.push(Waiting { reader, read, joined: false });
        if self.under_way { None } else { self.next() }
    }

    /// Handles the page of the read under way.
    pub fn on_page(&mut self, page: &Page) -> Shared<R> {
        let readers = self.take(|waiting| page.covers(&waiting.read.after));
        Shared { readers, read: self.next() }
    }

    /// Handles the failure of the read under way: the readers that joined it have to be told.
    pub fn on_failed(&mut self) -> Shared<R> {
        let readers = self.take(|_| true);
        Shared { readers, read: self.next() }
    }

    /// Removes the readers that match, as those of a session that left. A page that answers nobody
    /// is still to be handed over.
    pub fn remove(&mut self, matches: impl Fn(&R) -> bool) {
        self.waiting.retain(|waiting| !matches(&waiting.reader));
    }

    /// Returns the number of waiting readers.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Removes the readers that joined the read under way and that match.
    fn take(&mut self, matches: impl Fn(&Waiting<R>) -> bool) -> Vec<R> {
        let waiting = std::mem::take(&mut self.waiting);
        let (taken, left) = waiting
            .into_iter()
            .partition::<Vec<_>, _>(|waiting| waiting.joined && matches(waiting));
        self.waiting = left;
        taken.into_iter().map(|waiting| waiting.reader).collect()
    }

    /// Begins a read for the readers that wait.
    fn next(&mut self) -> Option<SharedRead> {
        let oldest = self.waiting.first();
        let lowest = self.waiting.iter().min_by_key(|waiting| waiting.read.after.offset);
        let read = if self.oldest_next { oldest } else { lowest }.map(|waiting| waiting.read);
        self.under_way = read.is_some();
        let read = read?;
        self.oldest_next = !self.oldest_next;
        let leader = self.waiting.iter().any(|waiting| waiting.read.leader);
        for waiting in &mut self.waiting {
            waiting.joined = true;
        }
        Some(SharedRead { range: read.range(self.limit), leader })
    }
}
