//! Time of transcoding a message of about 1 KiB, and one of about 13 KB, each way.
//!
//!     cargo bench -p sockeye-gateway --bench transcode

use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use protox::Compiler;
use sockeye_gateway::descriptor::Pool;
use sockeye_gateway::transcode::{ParseOptions, PrintOptions, Tables, json_to_wire, wire_to_json};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/benches");
    let mut compiler = Compiler::new([folder])?;
    let set = compiler.open_file("transcode.proto")?.encode_file_descriptor_set();
    let tables = Tables::new(&Pool::from_set(&set)?)?;
    let id = tables.find_message("bench.Order").ok_or("the message is in the file")?;
    let (parse, print) = (ParseOptions::default(), PrintOptions::default());

    for lines in [7, 119] {
        let json = order(lines);
        let mut wire = Vec::new();
        json_to_wire(&tables, id, json.as_bytes(), &mut wire, &parse)?;
        let mut printed = Vec::new();
        wire_to_json(&tables, id, &wire, &mut printed, &print)?;
        if printed != json.as_bytes() {
            return Err("the message does not come back".into());
        }
        println!("{} bytes of JSON, {} on the wire", json.len(), wire.len());
        let mut out = Vec::with_capacity(json.len());
        let to_wire = fastest(|| {
            out.clear();
            json_to_wire(&tables, id, black_box(json.as_bytes()), &mut out, &parse).is_ok()
        });
        println!("  JSON to wire {to_wire:8.2} µs");
        let to_json = fastest(|| {
            out.clear();
            wire_to_json(&tables, id, black_box(&wire), &mut out, &print).is_ok()
        });
        println!("  wire to JSON {to_json:8.2} µs");
    }
    Ok(())
}

/// The time of one call in microseconds: the mean of the fastest of many rounds.
/// Rounds are short, so that some are not interrupted on a busy machine.
fn fastest(mut call: impl FnMut() -> bool) -> f64 {
    const CALLS: u32 = 10;

    let mut best = f64::INFINITY;
    for _ in 0..5_000 {
        let begin = Instant::now();
        for _ in 0..CALLS {
            black_box(call());
        }
        best = best.min(begin.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
    }
    best
}

/// An order as this crate prints it.
fn order(lines: u32) -> String {
    let mut json = String::from(
        r#"{"orderId":"ord-2026-000017","customerId":"9007199254740993","createdAt":"2026-01-31T10:20:30.021Z","shipTo":{"street":"1 Harbour Road","city":"Åbo","postalCode":"20100","country":"FI"},"lines":["#,
    );
    for line in 0..lines {
        let comma = if line > 0 { "," } else { "" };
        // Writing to a string does not fail.
        let _ = write!(
            json,
            r#"{comma}{{"sku":"SKU-{line:05}-blue","quantity":{},"priceCents":"{}","weightKg":{},"gift":true,"state":"SHIPPED"}}"#,
            line + 1,
            1999 + line * 37,
            0.25 + f64::from(line) * 0.125,
        );
    }
    json.push_str(
        r#"],"labels":{"channel":"web","campaign":"winter","priority":"high"},"scores":[1,22,333,4444,55555],"note":"Leave it at the door,\nplease: \"thanks\"."}"#,
    );
    json
}
