//! Messages that wait to be written, as pure data.

use std::collections::{HashMap, VecDeque};
use std::mem;

use sockeye_proto::{Message, Prepared};

/// Messages in the order in which they will be written.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    /// The number of the first entry, counted from the first entry ever queued.
    first: u64,
    /// The numbers of the entries that have a key.
    keys: HashMap<Box<str>, u64>,
}

/// A message, and the send capacity that it takes.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) content: Content,
    /// Capacity, in bytes.
    pub(super) bytes: u32,
    key: Option<Box<str>>,
}

/// A message, or a prepared message, which may be encoded already.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Message(Message),
    Prepared(Prepared),
}

impl Content {
    pub(super) fn len(&self) -> usize {
        self.message().len()
    }

    #[inline]
    pub(super) fn message(&self) -> &Message {
        match self {
            Self::Message(message) => message,
            Self::Prepared(prepared) => prepared.message(),
        }
    }

    /// Returns the message in either case.
    pub(super) fn into_message(self) -> Message {
        match self {
            Self::Message(message) => message,
            Self::Prepared(prepared) => prepared.message().clone(),
        }
    }
}

impl From<Message> for Content {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

impl From<&Prepared> for Content {
    fn from(prepared: &Prepared) -> Self {
        Self::Prepared(prepared.clone())
    }
}

impl Entry {
    pub(super) fn new(content: Content, bytes: u32, key: Option<&str>) -> Self {
        Self { content, bytes, key: key.map(Into::into) }
    }
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of the first entry, or of the next one if there is none.
    pub(super) fn first_number(&self) -> u64 {
        self.first
    }

    /// Returns the number of the next entry.
    pub(super) fn next_number(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Adds an entry: in place of the one with the same key, which is returned, or at the end.
    pub(super) fn push(&mut self, entry: Entry) -> Option<Entry> {
        if let Some(key) = &entry.key {
            if let Some(number) = self.keys.get(key) {
                // Every number in `keys` is that of an entry.
                let place = usize::try_from(number - self.first).ok()?;
                return Some(mem::replace(self.entries.get_mut(place)?, entry));
            }
            let number = self.next_number();
            self.keys.insert(key.clone(), number);
        }
        self.entries.push_back(entry);
        None
    }

    /// Returns the entry that `new` would replace.
    pub(super) fn replaced_by(&self, new: &Entry) -> Option<&Entry> {
        let number = self.keys.get(new.key.as_ref()?)?;
        self.entries.get(usize::try_from(number - self.first).ok()?)
    }

    /// Drops all entries; the numbering continues. Returns their capacity, in bytes.
    pub(super) fn clear(&mut self) -> usize {
        let bytes = self.entries.iter().map(|entry| entry.bytes as usize).sum();
        *self = Self { first: self.next_number(), ..Self::default() };
        bytes
    }

    /// Takes the first entry.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.first += 1;
        if let Some(key) = &entry.key {
            self.keys.remove(key);
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop())
            .map(|entry| entry.content.into_message().to_string())
            .collect()
    }

    fn message(text: &str) -> Content {
        Message::from(text).into()
    }

    #[test]
    fn the_latest_of_a_key_takes_the_place_of_the_one_that_waits() {
        let mut queue = Queue::default();
        assert!(queue.push(Entry::new(message("a"), 1, None)).is_none());
        assert!(queue.push(Entry::new(message("b1"), 2, Some("b"))).is_none());
        assert!(queue.push(Entry::new(message("c1"), 3, Some("c"))).is_none());
        let replaced = queue.push(Entry::new(message("b2"), 4, Some("b"))).unwrap();
        assert_eq!((replaced.content.into_message(), replaced.bytes), ("b1".into(), 2));
        assert_eq!(texts(&mut queue), ["a", "b2", "c1"]);
        // An entry that was taken is not replaced.
        assert!(queue.push(Entry::new(message("b3"), 1, Some("b"))).is_none());
        assert!(queue.push(Entry::new(message("b4"), 1, Some("b"))).is_some());
        assert_eq!(texts(&mut queue), ["b4"]);
        assert!(queue.keys.is_empty());
    }
}
