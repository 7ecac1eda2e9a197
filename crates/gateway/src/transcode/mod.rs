//! JSON to protobuf's binary format and back, without a message object between them.
//!
//! [`Tables`] are compiled once from a [`Pool`](crate::descriptor::Pool). Then [`json_to_wire`] and
//! [`wire_to_json`] are one pass each. JSON is that of protobuf's JSON mapping, for every type:
//! strict RFC 8259, 64-bit integers as strings, exact ranges, shortest floats, and the special
//! forms of the well-known types.
//!
//! ```
//! use sockeye_gateway::descriptor::Pool;
//! use sockeye_gateway::transcode::{
//!     ParseOptions, PrintOptions, Tables, json_to_wire, wire_to_json,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::from_set(b"")?; // only the bundled files
//! let tables = Tables::new(&pool)?;
//! let status = tables.find_message("google.rpc.Status").ok_or("it is bundled")?;
//! let mut wire = Vec::new();
//! json_to_wire(&tables, status, br#"{"code": 5}"#, &mut wire, &ParseOptions::default())?;
//! assert_eq!(wire, [0x08, 5]);
//! let mut json = Vec::new();
//! wire_to_json(&tables, status, &wire, &mut json, &PrintOptions::default())?;
//! assert_eq!(json, br#"{"code":5}"#);
//! # Ok(())
//! # }
//! ```
//!
//! # The parts of a REST call
//! Concatenated messages merge, so that a request is the concatenation of its parts: the query, the
//! body, then the path. [`Tables`] are the [`Schema`](crate::route::binding::Schema) by which
//! values of paths and queries become JSON; [`ParseOptions::write_zeros`] lets that JSON win over a
//! body. [`body_to_wire`] writes a body that is one field, [`field_to_json`] prints a response body
//! that is one field, and [`mask_of_body`] and [`put_mask`] make the field mask of a `PATCH`.
//!
//! # Bounds
//! Messages nest at most [`ParseOptions::max_depth`] deep and output is at most
//! [`ParseOptions::max_output`] bytes, each also for printing. Time is linear in the size of the
//! input, times the depth for nested groups. After an error the output is what it was before.

mod base64;
mod decimal;
mod encode;
mod entries;
mod error;
mod json;
mod mask;
mod names;
mod number;
mod options;
mod parse;
mod path;
mod print;
mod rewrite;
mod schema;
mod short_text;
mod tables;
mod text;
mod time;

pub use error::{Problem, TranscodeError};
pub use mask::{mask_of_body, put_mask};
pub use options::{ParseOptions, PrintOptions, UnknownAny, Unpopulated};
pub use parse::{body_to_wire, json_to_wire};
pub use path::FieldPath;
pub use print::{field_to_json, wire_to_json};
pub use rewrite::rewrite_wire;
pub(crate) use tables::Shape;
pub use tables::Tables;

#[cfg(test)]
mod tests;
