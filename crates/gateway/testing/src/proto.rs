//! Code generated from `proto/`: see `codegen/`.
#![allow(missing_docs, reason = "the `.proto` files hold the documentation")]
#![allow(unused_qualifications, clippy::pedantic, reason = "generated code has its own style")]
#![allow(clippy::allow_attributes_without_reason, reason = "generated code gives no reasons")]

include!("generated/sockeye.gateway.testing.rs");

pub mod health {
    include!("generated/grpc.health.v1.rs");
}

pub mod reflection_v1 {
    include!("generated/grpc.reflection.v1.rs");
}

pub mod reflection_v1alpha {
    include!("generated/grpc.reflection.v1alpha.rs");
}
