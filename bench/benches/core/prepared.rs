//! Sending one message to many connections of a server: encoded for each, or prepared once.
//!
//! `prepared` is the cost per connection after the message was sent to another connection with the
//! same negotiated parameters.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use sockeye_proto::deflate::Deflate;
use sockeye_proto::{Config, Connection, MessageRef, Prepared};

pub(crate) fn to_many(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prepared");
    for (length, label) in [(100, "100B"), (1024, "1KiB"), (16 * 1024, "16KiB")] {
        let text: String =
            "{\"room\":\"river\",\"user\":\"salmon\"},".chars().cycle().take(length).collect();
        let prepared = Prepared::new(text.as_str());
        group.throughput(Throughput::Elements(1));
        for mode in ["plain", "takeover", "no-takeover"] {
            let mut out = Vec::with_capacity(2 * length);
            let mut connection = connection(mode);
            group.bench_function(format!("{label}/{mode}/each"), |bencher| {
                bencher.iter(|| {
                    out.clear();
                    connection.send(MessageRef::Text(black_box(&text)), &mut out)
                });
            });
            group.bench_function(format!("{label}/{mode}/prepared"), |bencher| {
                bencher.iter(|| {
                    out.clear();
                    connection.send_prepared(black_box(&prepared), &mut out)
                });
            });
        }
    }
    group.finish();
}

fn connection(mode: &str) -> Connection {
    let connection = Connection::server(&Config::new());
    if mode == "plain" {
        return connection;
    }
    let deflate = Deflate::new().no_context_takeover(mode == "no-takeover");
    let offer = Deflate::new().offer();
    let (parameters, _) = deflate.accept(&[offer]).expect("the default offer is acceptable");
    connection.with_deflate(&deflate, parameters)
}
