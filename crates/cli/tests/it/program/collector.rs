//! A collector of OpenTelemetry: takes exports over HTTP, and decodes them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// A collector that runs until the test ends.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    exports: Receiver<Export>,
}

/// What one request has brought.
#[derive(Debug)]
pub(crate) struct Export {
    /// The head of the request, in lowercase.
    pub(crate) head: String,
    /// The attributes of the program.
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) spans: Vec<Span>,
    pub(crate) metrics: Vec<Metric>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, exports) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let sender = sender.clone();
                thread::spawn(move || serve(stream.unwrap(), &sender));
            }
        });
        Self { address, exports }
    }

    /// Makes a program export to this collector.
    pub(crate) fn receive_from(&self, program: &mut Command) {
        program.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", self.address));
    }

    /// Waits for the next export.
    pub(crate) fn next(&self) -> Export {
        self.exports.recv().unwrap()
    }

    /// Waits for a span with this name, and returns it with the export that has brought it.
    pub(crate) fn span(&self, name: &str) -> (Span, Export) {
        loop {
            let export = self.next();
            if let Some(span) = export.spans.iter().find(|span| span.name == name) {
                return (span.clone(), export);
            }
        }
    }

    /// Waits for an export with this metric, and returns it.
    pub(crate) fn metric(&self, name: &str) -> Metric {
        loop {
            let mut metrics = self.next().metrics.into_iter();
            if let Some(metric) = metrics.find(|metric| metric.name == name) {
                return metric;
            }
        }
    }
}

fn serve(stream: TcpStream, exports: &Sender<Export>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "a whole request, not {head:?}");
    }
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let export = if head.starts_with("post /v1/traces http/1.1\r\n") {
        let mut traces = ExportTraceServiceRequest::decode(&body[..]).unwrap().resource_spans;
        assert_eq!(traces.len(), 1, "one program exports");
        let traces = traces.remove(0);
        let spans = traces.scope_spans.into_iter().flat_map(|scope| scope.spans).collect();
        let resource = attributes(&traces.resource.unwrap().attributes);
        Export { head, resource, spans, metrics: Vec::new() }
    } else {
        assert!(head.starts_with("post /v1/metrics http/1.1\r\n"), "{head}");
        let mut metrics = ExportMetricsServiceRequest::decode(&body[..]).unwrap().resource_metrics;
        assert_eq!(metrics.len(), 1, "one program exports");
        let metrics = metrics.remove(0);
        let resource = attributes(&metrics.resource.unwrap().attributes);
        let metrics = metrics.scope_metrics.into_iter().flat_map(|scope| scope.metrics).collect();
        Export { head, resource, spans: Vec::new(), metrics }
    };
    // The answer comes first: the test may end the program once it has the export.
    let answer =
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
    let _ = reader.get_mut().write_all(answer.as_bytes());
    // Fails after the test has ended.
    let _ = exports.send(export);
}

/// Returns attributes as texts.
pub(crate) fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match &attribute.value.as_ref().unwrap().value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}
