//! Code generated from `proto/`.
#![allow(missing_docs, reason = "the `.proto` files hold the documentation")]
#![allow(unused_qualifications, clippy::pedantic, reason = "generated code has its own style")]
#![allow(clippy::allow_attributes_without_reason, reason = "generated code gives no reasons")]

tonic::include_proto!("sockeye.gateway.testing");

pub mod health {
    tonic::include_proto!("grpc.health.v1");
}

pub mod reflection_v1 {
    tonic::include_proto!("grpc.reflection.v1");
}

pub mod reflection_v1alpha {
    tonic::include_proto!("grpc.reflection.v1alpha");
}
