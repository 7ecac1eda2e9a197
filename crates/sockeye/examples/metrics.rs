//! An echo server that prints its metrics every five seconds, with its own recorder. A service
//! would install the recorder of its monitoring instead, such as metrics-exporter-prometheus.
//!
//!     cargo run --release -p sockeye --features metrics --example metrics

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use sockeye::upgrade::HostPolicy;
use sockeye::{Server, WebSocket};

#[tokio::main]
async fn main() -> sockeye::Result<()> {
    let counters = Counters::default();
    // The recorder must be installed before the first connection.
    metrics::set_global_recorder(counters.clone()).expect("there is no other recorder yet");
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            counters.print();
        }
    });
    let server = Server::bind("127.0.0.1:8080").await?;
    server.allow_hosts(HostPolicy::loopback()).serve(echo).await
}

async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// Counters by name and labels; gauges and histograms are left out.
#[derive(Clone, Default)]
struct Counters(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

impl Counters {
    fn print(&self) {
        for (name, count) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            println!("{count:>12?} {name}");
        }
    }
}

impl Recorder for Counters {
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counters.entry(key.to_string()).or_default();
        Counter::from_arc(count.clone())
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }

    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
}
