use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

/// Minimum length of bytes that are kept in the memory that they came in. Shorter ones are copied,
/// since they may be a small part of that memory: a driver that reads 64 KiB at a time holds at most
/// eight times as much as the limits allow.
const MIN_SHARED: usize = 8 * 1024;

/// Maximum length of a chunk of bytes that were copied.
const MAX_COPIED: usize = 32 * 1024;

/// Capacity up to which an empty queue keeps its memory, in bytes.
const KEPT_CAPACITY: usize = 4 * 1024;

/// A queue of bytes that takes and returns long pieces without a copy.
#[derive(Debug, Default)]
pub(super) struct ByteQueue {
    chunks: VecDeque<Bytes>,
    /// The bytes after `chunks`.
    tail: BytesMut,
    length: usize,
    /// The index of a chunk, and the length of those before it: where the last
    /// [`part`](Self::part) was found.
    cursor: (usize, usize),
}

impl ByteQueue {
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns the size of the memory, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.length - self.tail.len() + self.tail.capacity()
    }

    /// Adds bytes by copying them.
    pub(super) fn extend(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while !bytes.is_empty() {
            let space = MAX_COPIED.saturating_sub(self.tail.len());
            if space == 0 {
                self.seal();
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(space));
            self.tail.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Adds bytes, in their memory if they are long.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.len() < MIN_SHARED {
            return self.extend(&bytes);
        }
        self.seal();
        self.length += bytes.len();
        self.chunks.push_back(bytes);
    }

    /// Returns at most `max` bytes from a position on: fewer where a chunk ends, and none at the end
    /// of the queue. Finds positions in ascending order quickly.
    pub(super) fn part(&mut self, position: usize, max: usize) -> Bytes {
        if position < self.cursor.1 {
            self.cursor = (0, 0);
        }
        let (mut index, mut before) = self.cursor;
        while let Some(chunk) =
            self.chunks.get(index).filter(|chunk| before + chunk.len() <= position)
        {
            before += chunk.len();
            index += 1;
        }
        self.cursor = (index, before);
        let start = position - before;
        if let Some(chunk) = self.chunks.get(index) {
            return chunk.slice(start..chunk.len().min(start.saturating_add(max)));
        }
        let rest = self.tail.get(start..).unwrap_or_default();
        Bytes::copy_from_slice(&rest[..rest.len().min(max)])
    }

    /// Removes the first bytes, at most `max`: fewer where a chunk ends.
    pub(super) fn take(&mut self, max: usize) -> Bytes {
        let (taken, chunks) = match self.chunks.front_mut() {
            Some(front) if front.len() > max => (front.split_to(max), 0),
            Some(_) => (self.chunks.pop_front().unwrap_or_default(), 1),
            None => (self.tail.split_to(self.tail.len().min(max)).freeze(), 0),
        };
        self.on_removed(taken.len(), chunks);
        taken
    }

    /// Moves the first bytes to `into`, and returns their number.
    pub(super) fn read(&mut self, into: &mut [u8]) -> usize {
        let mut read = 0;
        while read < into.len() && !self.is_empty() {
            let front = self.chunks.front().map_or(&self.tail[..], |chunk| chunk);
            let length = front.len().min(into.len() - read);
            into[read..read + length].copy_from_slice(&front[..length]);
            read += length;
            self.skip(length);
        }
        read
    }

    /// Removes the first bytes, at most all.
    pub(super) fn skip(&mut self, length: usize) {
        let mut left = length.min(self.length);
        while left > 0 {
            let (skipped, chunks) = match self.chunks.front_mut() {
                Some(front) if front.len() > left => {
                    front.advance(left);
                    (left, 0)
                }
                Some(_) => (self.chunks.pop_front().unwrap_or_default().len(), 1),
                None => {
                    self.tail.advance(left);
                    (left, 0)
                }
            };
            left -= skipped;
            self.on_removed(skipped, chunks);
        }
    }

    fn on_removed(&mut self, length: usize, chunks: usize) {
        self.length -= length;
        if let (index @ 1.., before) = self.cursor {
            self.cursor = (index - chunks, before - length);
        }
        if self.length == 0 && self.tail.capacity() > KEPT_CAPACITY {
            self.tail = BytesMut::new();
        }
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push_back(std::mem::take(&mut self.tail).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns different bytes at different positions.
    fn pattern(from: usize, length: usize) -> Vec<u8> {
        (0..=250).cycle().skip(from % 251).take(length).collect()
    }

    #[test]
    fn pieces_of_any_length_keep_their_order() {
        let mut queue = ByteQueue::default();
        let (mut written, mut read, mut sent) = (0, 0, 0);
        // Pseudo-random numbers, the same in each run.
        let mut state = 1_usize;
        let mut next = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
            (state >> 33) % limit
        };
        for _ in 0..5_000 {
            match next(6) {
                0 => {
                    let bytes = pattern(written, next(100));
                    queue.extend(&bytes);
                    written += bytes.len();
                }
                1 => {
                    let bytes = pattern(written, next(3 * MIN_SHARED));
                    written += bytes.len();
                    queue.push(bytes.into());
                }
                2 => {
                    let part = queue.part(sent - read, next(2 * MAX_COPIED));
                    assert_eq!(part, pattern(sent, part.len()));
                    sent += part.len();
                }
                // Sends again from an earlier position.
                3 => sent = read + next(sent - read + 1),
                4 => {
                    let taken = queue.take(next(2 * MIN_SHARED));
                    assert_eq!(taken, pattern(read, taken.len()));
                    read += taken.len();
                }
                _ if next(2) == 0 => {
                    let mut bytes = vec![0; next(MAX_COPIED)];
                    let length = queue.read(&mut bytes);
                    assert_eq!(bytes[..length], pattern(read, length));
                    read += length;
                }
                _ => {
                    let length = next(MAX_COPIED).min(queue.len());
                    queue.skip(length);
                    read += length;
                }
            }
            sent = sent.max(read);
            assert_eq!(queue.len(), written - read);
            assert!(queue.memory() >= queue.len());
        }
        queue.skip(queue.len());
        assert!(queue.is_empty() && queue.memory() <= KEPT_CAPACITY);
    }

    #[test]
    fn long_pieces_are_not_copied() {
        let mut queue = ByteQueue::default();
        let long = Bytes::from(vec![7; MIN_SHARED]);
        queue.extend(b"short");
        queue.push(long.clone());
        assert_eq!(queue.take(usize::MAX), "short");
        assert_eq!(queue.part(0, usize::MAX).as_ptr(), long.as_ptr());
        assert_eq!(queue.take(usize::MAX).as_ptr(), long.as_ptr());
    }
}
