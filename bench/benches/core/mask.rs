//! Unmasking in place, aligned and unaligned. The limit is a copy of the same bytes onto
//! themselves.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use sockeye_proto::mask;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) fn apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mask");
    for (size, label) in [(20, "20B"), (1024, "1KiB"), (16 * 1024, "16KiB"), (1024 * 1024, "1MiB")]
    {
        let mut memory = vec![0x5a; size + 64];
        let base = memory.as_ptr().align_offset(64);
        group.throughput(Throughput::Bytes(size as u64));
        for (start, place) in [(0, "aligned"), (6, "unaligned")] {
            let payload = &mut memory[base + start..base + start + size];
            group.bench_function(format!("{label}/{place}/sockeye"), |bencher| {
                bencher.iter(|| mask::apply(black_box(payload), black_box(KEY), 0));
            });
            group.bench_function(format!("{label}/{place}/fastwebsockets"), |bencher| {
                bencher.iter(|| fastwebsockets::unmask(black_box(payload), black_box(KEY)));
            });
        }
        let source = memory.clone();
        group.bench_function(format!("{label}/copy"), |bencher| {
            bencher.iter(|| memory[..size].copy_from_slice(black_box(&source[..size])));
        });
    }
    group.finish();
}
