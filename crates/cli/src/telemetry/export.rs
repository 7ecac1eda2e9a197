//! The exporters of the process.

use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator, SdkTracerProvider};
use sockeye_gateway::CallRecord;
use tracing::level_filters::LevelFilter;
use tracing::{Subscriber, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::calls;
use super::http::Client;
use super::recorder::Recorder;
use super::signal::{Signal, variable};

/// The name of the instrumentation scope, and of the service unless the environment names one.
const NAME: &str = "sockeye";

/// Maximum wait for the last export of a program that ends. Chosen: longer than a round trip to a
/// collector that works, and as long as the default of `--shutdown-timeout`.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

static EXPORTERS: OnceLock<Exporters> = OnceLock::new();

struct Exporters {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
}

/// Starts the exporters that the environment asks for. Called once, before the log is started.
///
/// Spans wait in a queue of `OTEL_BSP_MAX_QUEUE_SIZE` (2,048), and are dropped while it is full;
/// a thread sends them every `OTEL_BSP_SCHEDULE_DELAY` (5 s). Metrics are numbers that another
/// thread reads and sends every `OTEL_METRIC_EXPORT_INTERVAL` (60 s).
///
/// # Errors
/// When a variable has a value that cannot be used.
pub(crate) fn start() -> anyhow::Result<()> {
    let traces = Signal::Traces.is_exported()?;
    let metrics = Signal::Metrics.is_exported()?;
    if !traces && !metrics {
        return Ok(());
    }
    let resource = resource();
    let exporters = Exporters {
        traces: if traces { Some(tracer_provider(resource.clone())?) } else { None },
        metrics: if metrics { Some(meter_provider(resource)?) } else { None },
    };
    // Set once, as the program is started once.
    let _ = EXPORTERS.set(exporters);
    Ok(())
}

/// Sends all that waits, at most for [`FINISH_TIMEOUT`].
pub(crate) fn finish() {
    let Some(Exporters { traces, metrics }) = EXPORTERS.get() else { return };
    let (done, finished) = sync_channel(2);
    let mut waiting = 0;
    let mut begin = |shut_down: Box<dyn FnOnce() -> OTelSdkResult + Send>| {
        let done = done.clone();
        let run = move || {
            let _ = done.send(shut_down());
        };
        if thread::Builder::new().name("telemetry".to_owned()).spawn(run).is_ok() {
            waiting += 1;
        }
    };
    if let Some(traces) = traces.clone() {
        begin(Box::new(move || traces.shutdown_with_timeout(FINISH_TIMEOUT)));
    }
    if let Some(metrics) = metrics.clone() {
        begin(Box::new(move || metrics.shutdown()));
    }
    let deadline = Instant::now() + FINISH_TIMEOUT;
    for _ in 0..waiting {
        match finished.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!("the last traces or metrics were not exported: {error}"),
            Err(_) => {
                return warn!("the last traces or metrics were not exported in {FINISH_TIMEOUT:?}");
            }
        }
    }
}

/// Returns the layer that exports the spans of this program, if traces are exported. Spans of
/// connections and WebSockets have the level of debug messages, whatever the level of the log is.
pub(crate) fn spans<S>() -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let tracer = EXPORTERS.get()?.traces.as_ref()?.tracer(NAME);
    let own = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with(NAME))
        .with_max_level_hint(LevelFilter::DEBUG);
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        // Counting the time of each step would cost two clock readings a step.
        .with_tracked_inactivity(false);
    Some(layer.with_filter(own).boxed())
}

/// Returns the function that exports the spans of calls through the gateway, if traces are exported.
pub(crate) fn call_observer() -> Option<impl Fn(&CallRecord) + Clone + Send + Sync + 'static> {
    let tracer = EXPORTERS.get()?.traces.as_ref()?.tracer(NAME);
    Some(move |record: &CallRecord| calls::export(&tracer, record))
}

/// Returns the recorder whose metrics are exported, if metrics are.
pub(crate) fn recorder() -> Option<Recorder> {
    let meter = EXPORTERS.get()?.metrics.as_ref()?.meter(NAME);
    Some(Recorder::new(meter))
}

/// Returns whether metrics are exported.
pub(crate) fn exports_metrics() -> bool {
    EXPORTERS.get().is_some_and(|exporters| exporters.metrics.is_some())
}

fn tracer_provider(resource: Resource) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new(Signal::Traces)?)
        .build()
        .context("cannot export traces")?;
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

fn meter_provider(resource: Resource) -> anyhow::Result<SdkMeterProvider> {
    let exporter = MetricExporter::builder()
        .with_http()
        .with_http_client(Client::new(Signal::Metrics)?)
        .build()
        .context("cannot export metrics")?;
    Ok(SdkMeterProvider::builder().with_resource(resource).with_periodic_exporter(exporter).build())
}

/// Returns the attributes of this process: those of the environment take precedence.
fn resource() -> Resource {
    // Random: collectors would mix the metrics of servers with the same attributes.
    let instance = RandomIdGenerator::default().new_trace_id().to_string();
    let builder = Resource::builder_empty()
        .with_service_name(NAME)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match variable("OTEL_SERVICE_NAME") {
        Some(name) => builder.with_service_name(name),
        None => builder,
    }
    .build()
}
