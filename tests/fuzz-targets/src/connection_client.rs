//! A client produces the same events for the same bytes, however they are split. The first three
//! bytes configure it.

use crate::connections::{assert_chunking_changes_nothing, connection};
use sockeye_proto::Role;

/// Checks one input.
pub fn check(input: &[u8]) {
    if let Some((make, wire)) = connection(Role::Client, input) {
        assert_chunking_changes_nothing(make, wire);
    }
}
