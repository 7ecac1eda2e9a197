//! Tests of the gateway with real connections, one behaviour or one component a file.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod connect_is_spoken;
mod grpc_passes_through;
mod grpc_web_is_spoken;
mod json_over_http;
mod reflection_is_bounded;
mod reflection_learns_services;
mod services_are_kept_current;
mod support;
mod upstream_calls_end_with_their_status;
mod upstream_calls_use_other_addresses;
mod upstreams_are_reached_by_tls_and_unix_sockets;
