use std::collections::HashMap;
use std::sync::Arc;

use sockeye::Prepared;

use crate::core::Position;
use crate::encoder::Encoder;

/// The maximum size of the messages that are kept, in bytes. Chosen: a page of the history.
const MAX_BYTES: usize = 1 << 20;

/// The maximum number of messages that are kept. Chosen: a page of the history for two encoders.
const MAX_MESSAGES: usize = 512;

/// A message, and the encoder that has encoded it.
type Encoded = (Arc<dyn Encoder>, Prepared);

/// The messages of a room's publications that sessions recover, so that many sessions that return
/// at once cost one encoding. Kept while sessions recover.
#[derive(Debug, Default)]
pub(super) struct Encodings {
    messages: HashMap<Position, Vec<Encoded>>,
    count: usize,
    bytes: usize,
}

impl Encodings {
    /// Returns the message of the publication at a position, which `encode` creates if it is not
    /// kept.
    pub(super) fn get_or_encode(
        &mut self,
        position: Position,
        encoder: &Arc<dyn Encoder>,
        encode: impl FnOnce() -> Option<Prepared>,
    ) -> Option<Prepared> {
        let known = self.messages.get(&position).into_iter().flatten();
        for (known, message) in known {
            if Arc::ptr_eq(known, encoder) {
                return Some(message.clone());
            }
        }
        let message = encode()?;
        if self.count >= MAX_MESSAGES || self.bytes.saturating_add(message.len()) > MAX_BYTES {
            self.clear();
        }
        self.count += 1;
        self.bytes = self.bytes.saturating_add(message.len());
        let known = self.messages.entry(position).or_default();
        known.push((encoder.clone(), message.clone()));
        Some(message)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Epoch, Tag};
    use crate::encoder::Plain;

    #[test]
    fn a_message_is_encoded_once_for_each_encoder_and_what_is_kept_is_bounded() {
        let encoders: [Arc<dyn Encoder>; 2] = std::array::from_fn(|_| Arc::new(Plain) as _);
        let at = |offset| Position { epoch: Epoch(1), offset, tag: Tag(0) };
        let mut encodings = Encodings::default();
        let mut encoded = 0;
        for _ in 0..3 {
            for encoder in &encoders {
                let message = encodings.get_or_encode(at(1), encoder, || {
                    encoded += 1;
                    Some(Prepared::new("x"))
                });
                assert_eq!(message.map(|message| message.len()), Some(1));
            }
        }
        assert_eq!(encoded, 2);
        for offset in 2..10_000 {
            let _ = encodings.get_or_encode(at(offset), &encoders[0], || Some(Prepared::new("x")));
            assert!(encodings.messages.len() <= MAX_MESSAGES);
        }
        let long = "x".repeat(MAX_BYTES);
        for offset in 0..10 {
            let long = Some(Prepared::new(&*long));
            let _ = encodings.get_or_encode(at(offset), &encoders[0], || long);
            assert_eq!(encodings.messages.len(), 1);
        }
        assert!(encodings.get_or_encode(at(20), &encoders[0], || None).is_none());
    }
}
