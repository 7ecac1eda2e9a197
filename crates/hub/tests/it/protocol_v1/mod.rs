//! The protocol sockeye.hub.v1: raw messages, the Rust client, and the JavaScript client in Node.

#[cfg(feature = "client")]
mod a_rust_client_recovers_exactly;
mod commands_are_answered;
mod support;
#[cfg(feature = "client")]
mod the_example_hub_v1_is_a_chat;
mod the_javascript_client_works_in_node;
