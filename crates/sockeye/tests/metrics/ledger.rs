//! Captures the metrics that are recorded while some work runs.

use std::sync::{Mutex, OnceLock, PoisonError};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

/// The recorder of the process, which is reset by each snapshot.
static RECORDER: OnceLock<Snapshotter> = OnceLock::new();

/// The metrics are those of the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Returns every metric that is not zero after `work`, as `name{labels} value`, sorted.
pub(crate) fn record(work: impl FnOnce()) -> Vec<String> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let recorder = RECORDER.get_or_init(|| {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        recorder.install().unwrap();
        snapshotter
    });
    let _ = lines(recorder);
    work();
    lines(recorder)
}

/// Returns the metrics as [`record`] does, of work in a runtime that is dropped before.
pub(crate) fn record_async(work: impl Future<Output = ()>) -> Vec<String> {
    record(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true).build().unwrap().block_on(work);
    })
}

fn lines(recorder: &Snapshotter) -> Vec<String> {
    let metrics = recorder.snapshot().into_vec().into_iter();
    let mut lines: Vec<String> = metrics
        .filter_map(|(key, _, description, value)| {
            assert!(description.is_some(), "{key:?} is not described");
            let value = match value {
                DebugValue::Counter(0) => return None,
                DebugValue::Counter(count) => count.to_string(),
                DebugValue::Gauge(level) if level.0 == 0.0 => return None,
                DebugValue::Gauge(level) => level.0.to_string(),
                DebugValue::Histogram(samples) if samples.is_empty() => return None,
                DebugValue::Histogram(samples) => format!("samples: {}", samples.len()),
            };
            let labels: Vec<&str> = key.key().labels().map(metrics::Label::value).collect();
            Some(format!("{}{{{}}} {value}", key.key().name(), labels.join(",")))
        })
        .collect();
    lines.sort();
    lines
}
