use std::collections::VecDeque;
use std::sync::Arc;

use crate::room_options::RoomOptions;

/// The maximum number of different properties that rooms share. Chosen: more than the namespaces of
/// most hubs; all are compared when a room is created.
const MAX_SHARED: usize = 16;

/// The latest properties of rooms, so that rooms with equal properties share them.
#[derive(Debug, Default)]
pub(super) struct SharedOptions {
    latest: VecDeque<Arc<RoomOptions>>,
}

impl SharedOptions {
    /// Returns known properties that are equal to `options`, or keeps and returns `options`.
    pub(super) fn share(&mut self, options: Arc<RoomOptions>) -> Arc<RoomOptions> {
        if let Some(known) = self.latest.iter().find(|known| **known == options) {
            return known.clone();
        }
        if self.latest.len() == MAX_SHARED {
            self.latest.pop_front();
        }
        self.latest.push_back(options.clone());
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_properties_are_shared_and_those_that_are_kept_are_bounded() {
        let mut shared = SharedOptions::default();
        let first = shared.share(Arc::new(RoomOptions::new().presence()));
        assert!(Arc::ptr_eq(&first, &shared.share(Arc::new(RoomOptions::new().presence()))));
        for tag in 0..100 {
            let other = Arc::new(RoomOptions::new().key_tag(&tag.to_string()));
            assert!(Arc::ptr_eq(&other, &shared.share(other.clone())));
            assert!(shared.latest.len() <= MAX_SHARED);
        }
        assert_eq!(Arc::strong_count(&first), 1);
    }
}
