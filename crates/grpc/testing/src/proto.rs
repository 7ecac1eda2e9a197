//! Code generated from `proto/testing.proto`.
#![allow(missing_docs, reason = "the descriptions are in the file that this is generated from")]
#![allow(unused_qualifications, clippy::pedantic, reason = "generated code has its own style")]
#![allow(clippy::allow_attributes_without_reason, reason = "generated code does not give any")]

tonic::include_proto!("sockeye.testing");
