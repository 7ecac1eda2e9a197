//! The recorder of the crate `metrics` whose metrics are exported. Counters and gauges are numbers
//! that the exporter reads, so that counting costs an addition.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};
use metrics_util::registry::{Registry, Storage};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::histograms::buckets;

/// Metrics of the process, one instrument for each name and its labels.
#[derive(Debug)]
pub(crate) struct Recorder {
    registry: Registry<Key, Instruments>,
    descriptions: Descriptions,
}

type Descriptions = Arc<Mutex<HashMap<String, Description>>>;

#[derive(Clone, Debug, Default)]
struct Description {
    text: String,
    /// In the notation of UCUM.
    unit: &'static str,
}

/// Creates the instruments.
#[derive(Debug)]
struct Instruments {
    meter: Meter,
    descriptions: Descriptions,
}

/// A histogram with its labels.
#[derive(Debug)]
struct LabelledHistogram {
    histogram: opentelemetry::metrics::Histogram<f64>,
    labels: Vec<KeyValue>,
}

impl Recorder {
    pub(super) fn new(meter: Meter) -> Self {
        let descriptions = Descriptions::default();
        let instruments = Instruments { meter, descriptions: Arc::clone(&descriptions) };
        Self { registry: Registry::new(instruments), descriptions }
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>, text: &SharedString) {
        let unit = match unit {
            Some(Unit::Seconds) => "s",
            Some(Unit::Bytes) => "By",
            // A count of things has no unit.
            _ => "",
        };
        let description = Description { text: text.to_string(), unit };
        lock(&self.descriptions).insert(name.as_str().to_owned(), description);
    }
}

fn lock(descriptions: &Descriptions) -> MutexGuard<'_, HashMap<String, Description>> {
    // No code panics while holding the lock.
    descriptions.lock().unwrap_or_else(PoisonError::into_inner)
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.registry.get_or_create_counter(key, |counter| Arc::clone(counter).into())
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.registry.get_or_create_gauge(key, |gauge| Arc::clone(gauge).into())
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.registry.get_or_create_histogram(key, |histogram| Arc::clone(histogram).into())
    }
}

impl Instruments {
    fn description(&self, key: &Key) -> Description {
        lock(&self.descriptions).get(key.name()).cloned().unwrap_or_default()
    }
}

fn labels(key: &Key) -> Vec<KeyValue> {
    let labels = key.labels();
    labels.map(|label| KeyValue::new(label.key().to_owned(), label.value().to_owned())).collect()
}

impl Storage<Key> for Instruments {
    type Counter = Arc<AtomicU64>;
    /// The bits of a 64-bit float.
    type Gauge = Arc<AtomicU64>;
    type Histogram = Arc<LabelledHistogram>;

    fn counter(&self, key: &Key) -> Self::Counter {
        let value = Arc::new(AtomicU64::new(0));
        let (read, labels) = (Arc::clone(&value), labels(key));
        let Description { text, unit } = self.description(key);
        self.meter
            .u64_observable_counter(key.name().to_owned())
            .with_description(text)
            .with_unit(unit)
            .with_callback(move |observer| observer.observe(read.load(Ordering::Relaxed), &labels))
            .build();
        value
    }

    fn gauge(&self, key: &Key) -> Self::Gauge {
        let value = Arc::new(AtomicU64::new(0));
        let (read, labels) = (Arc::clone(&value), labels(key));
        let Description { text, unit } = self.description(key);
        self.meter
            .f64_observable_gauge(key.name().to_owned())
            .with_description(text)
            .with_unit(unit)
            .with_callback(move |observer| {
                observer.observe(f64::from_bits(read.load(Ordering::Relaxed)), &labels);
            })
            .build();
        value
    }

    fn histogram(&self, key: &Key) -> Self::Histogram {
        let Description { text, unit } = self.description(key);
        let builder = self.meter.f64_histogram(key.name().to_owned());
        let builder = builder.with_description(text).with_unit(unit);
        let histogram = match buckets(key.name()) {
            Some(bounds) => builder.with_boundaries(bounds.to_vec()).build(),
            None => builder.build(),
        };
        Arc::new(LabelledHistogram { histogram, labels: labels(key) })
    }
}

impl HistogramFn for LabelledHistogram {
    fn record(&self, value: f64) {
        self.histogram.record(value, &self.labels);
    }
}
