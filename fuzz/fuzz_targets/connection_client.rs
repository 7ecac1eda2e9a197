//! A client makes the same of any bytes, however they arrive. The first three configure it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::{chunking_changes_nothing, connection};
use sockeye_proto::Role;

fuzz_target!(|input: &[u8]| {
    if let Some((make, wire)) = connection(Role::Client, input) {
        chunking_changes_nothing(make, wire);
    }
});
