//! Compression and decompression of JSON-like text, with context takeover and without.
//!
//! The limit is flate2 with the same settings, called without any RFC 7692 code around it.

use std::fmt::Write;
use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use sockeye_proto::Role;
use sockeye_proto::deflate::{Deflate, Parameters};

pub(crate) fn both_directions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deflate");
    for (length, label) in [(1024, "1KiB"), (16 * 1024, "16KiB")] {
        let text = json(length);
        group.throughput(Throughput::Bytes(length as u64));
        for (takeover, mode) in [(true, "takeover"), (false, "no-takeover")] {
            compress(&mut group, &format!("{label}/{mode}"), &text, takeover);
            decompress(&mut group, &format!("{label}/{mode}"), &text, takeover);
        }
    }
    group.finish();
}

fn compress(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, text: &[u8], takeover: bool) {
    let (config, parameters) = negotiate(takeover);
    let mut out = Vec::with_capacity(2 * text.len());
    let mut deflater = parameters.deflater(Role::Server, &config);
    group.bench_function(format!("compress/{name}/sockeye"), |bencher| {
        bencher.iter(|| {
            out.clear();
            deflater.compress(black_box(text), true, &mut out);
        });
    });
    let mut raw = Compress::new(Compression::fast(), false);
    group.bench_function(format!("compress/{name}/flate2"), |bencher| {
        bencher.iter(|| {
            out.clear();
            if !takeover {
                raw.reset();
            }
            raw.compress_vec(black_box(text), &mut out, FlushCompress::Sync)
        });
    });
}

/// Measures decompression. With takeover, every message but the first refers to the previous one,
/// so that decompressing the same message repeatedly matches what a connection does.
fn decompress(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, text: &[u8], takeover: bool) {
    let (config, parameters) = negotiate(takeover);
    let mut deflater = parameters.deflater(Role::Server, &config);
    let mut first = Vec::new();
    deflater.compress(text, true, &mut first);
    let mut later = Vec::new();
    deflater.compress(text, true, &mut later);

    let mut inflater = parameters.inflater(Role::Client);
    let mut out = Vec::with_capacity(2 * text.len());
    inflater.inflate(&first, true, &mut out, usize::MAX).expect("what was compressed above");
    group.bench_function(format!("decompress/{name}/sockeye"), |bencher| {
        bencher.iter(|| {
            out.clear();
            inflater.inflate(black_box(&later), true, &mut out, text.len())
        });
    });
    assert_eq!(out, text);

    let tail = [0, 0, 0xff, 0xff];
    let (first, later) = ([&first[..], &tail].concat(), [&later[..], &tail].concat());
    let mut raw = Decompress::new(false);
    let mut out = Vec::with_capacity(2 * text.len());
    raw.decompress_vec(&first, &mut out, FlushDecompress::Sync).expect("compressed above");
    group.bench_function(format!("decompress/{name}/flate2"), |bencher| {
        bencher.iter(|| {
            out.clear();
            if !takeover {
                raw.reset(false);
            }
            raw.decompress_vec(black_box(&later), &mut out, FlushDecompress::Sync)
        });
    });
    assert_eq!(out, text);
}

fn negotiate(takeover: bool) -> (Deflate, Parameters) {
    let config = Deflate::new().no_context_takeover(!takeover);
    let offer = Deflate::new().offer();
    let (parameters, _) = config.accept(&[offer]).expect("the default offer is acceptable");
    (config, parameters)
}

/// Returns records that differ in their numbers, as an application's updates do.
fn json(length: usize) -> Vec<u8> {
    let mut text = String::from("[");
    let mut number = 7_u32;
    while text.len() < length {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let _ = write!(
            text,
            r#"{{"id":{},"room":"river-{}","user":"salmon","price":{}.{:02},"open":{}}},"#,
            number % 100_000,
            number % 97,
            number >> 20,
            number % 100,
            number & 1 == 0
        );
    }
    text.truncate(length);
    text.into_bytes()
}
