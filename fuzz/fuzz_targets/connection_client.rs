//! A client produces the same events for the same bytes, however they are split. The first three
//! bytes configure it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::{chunking_changes_nothing, connection};
use sockeye_proto::Role;

fuzz_target!(|input: &[u8]| {
    if let Some((make, wire)) = connection(Role::Client, input) {
        chunking_changes_nothing(make, wire);
    }
});
