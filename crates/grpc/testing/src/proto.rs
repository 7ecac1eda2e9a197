//! Code generated from `proto/testing.proto`: see `codegen/`.
#![allow(missing_docs, reason = "`testing.proto` holds the documentation")]
#![allow(unused_qualifications, clippy::pedantic, reason = "generated code has its own style")]
#![allow(clippy::allow_attributes_without_reason, reason = "generated code gives no reasons")]

include!("generated/sockeye.testing.rs");
