//! Tests of the gateway with real connections, one behaviour or one component a file.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod a_gateway_drains_and_reloads;
mod bodies_are_compressed;
mod bodies_are_fields_of_any_kind;
mod bodies_of_any_type_pass;
mod calls_are_authorized;
mod calls_are_limited_per_peer;
mod calls_are_recorded_once;
mod clients_that_vanish_leave_nothing;
mod connect_is_spoken;
mod connect_requests_are_checked;
mod forms_are_queries;
mod frames;
mod grpc_passes_through;
mod grpc_web_is_spoken;
mod json_over_http;
mod odd_responses_of_upstreams_have_their_status;
mod reflection_covers_all_upstreams;
mod reflection_is_bounded;
mod reflection_learns_services;
mod requests_are_made_of_path_query_and_body;
mod routes_that_conflict_are_refused;
mod services_are_kept_current;
mod slow_bodies_end_their_calls;
mod streams_may_be_arrays;
mod streams_of_json_have_their_form;
mod support;
mod upstream_calls_end_with_their_status;
mod upstream_calls_use_other_addresses;
mod upstreams_are_reached_by_tls_and_unix_sockets;
mod upstreams_misbehave;
