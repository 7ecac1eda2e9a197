//! UTF-8 validation of 16 KiB, whole and in pieces of 1,400 bytes, as packets deliver it.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use sockeye_proto::text::Validator;

const LENGTH: usize = 16 * 1024;

/// Length of one piece in bytes: about what one Ethernet packet holds. Pieces end within multi-byte
/// characters, at different places.
const PACKET_LENGTH: usize = 1400;

pub(crate) fn validate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Bytes(LENGTH as u64));
    for (name, pattern) in [
        ("ascii", "the salmon swims up the river and down again "),
        ("multi-byte", "der Fluß, la rivière, 鮭は川を上る, лосось 🐟 "),
    ] {
        let text = repeat_to_length(pattern);
        group.bench_function(format!("{name}/whole/sockeye"), |bencher| {
            bencher.iter(|| is_valid(black_box(&text), LENGTH));
        });
        group.bench_function(format!("{name}/whole/simdutf8"), |bencher| {
            bencher.iter(|| simdutf8::basic::from_utf8(black_box(&text)).is_ok());
        });
        group.bench_function(format!("{name}/whole/std"), |bencher| {
            bencher.iter(|| std::str::from_utf8(black_box(&text)).is_ok());
        });
        group.bench_function(format!("{name}/pieces/sockeye"), |bencher| {
            bencher.iter(|| is_valid(black_box(&text), PACKET_LENGTH));
        });
    }
    group.finish();
}

fn is_valid(text: &[u8], piece: usize) -> bool {
    let mut validator = Validator::new();
    text.chunks(piece).all(|piece| validator.push(piece).is_ok()) && validator.finish().is_ok()
}

/// Returns `LENGTH` bytes: as many whole patterns as fit, padded with spaces.
fn repeat_to_length(pattern: &str) -> Vec<u8> {
    let mut text = pattern.repeat(LENGTH / pattern.len()).into_bytes();
    text.resize(LENGTH, b' ');
    text
}
