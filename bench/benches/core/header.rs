//! Decoding a masked header of each length form.

use std::hint::black_box;
use std::io::Cursor;

use criterion::Criterion;
use sockeye_proto::frame::Header;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

const KEY: [u8; 4] = [1, 2, 3, 4];

pub(crate) fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header");
    for (name, start) in [
        ("7-bit", &[0x82, 0x94][..]),
        ("16-bit", &[0x82, 0xfe, 0x40, 0]),
        ("64-bit", &[0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0]),
    ] {
        let wire = [start, &KEY].concat();
        group.bench_function(format!("{name}/sockeye"), |bencher| {
            bencher.iter(|| Header::decode(black_box(&wire)));
        });
        group.bench_function(format!("{name}/tungstenite"), |bencher| {
            bencher.iter(|| FrameHeader::parse(&mut Cursor::new(black_box(&wire))));
        });
    }
    group.finish();
}
