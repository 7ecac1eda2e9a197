//! Integration tests, one behaviour per module.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(all(feature = "bus-kit", any(feature = "nats", feature = "redis")))]
mod broker;
mod gated;
mod support;

mod centrifuge;
#[cfg(all(feature = "bus-kit", feature = "nats"))]
mod nats;
mod protocol_v1;
#[cfg(all(feature = "bus-kit", feature = "redis"))]
mod redis;
mod router;

mod a_melody_program_is_translated;
mod a_message_published_to_a_room_reaches_its_members;
mod a_node_is_drained;
mod a_panic_of_the_application_is_contained;
mod a_session_recovers_what_it_missed;
mod a_slow_player_receives_the_latest_state;
mod a_slow_session_delays_no_other;
mod a_slow_session_is_handled_by_the_policy_of_its_room;
mod a_user_is_notified_on_all_devices;
mod all_rooms_are_checked_after_an_outage;
mod backends_use_the_hub_over_http;
mod clients_over_tcp_form_a_chat;
mod every_member_receives_publications_in_one_order;
mod filters_choose_what_a_member_receives;
mod five_thousand_sessions_recover_at_once;
mod handler_connections_are_sessions;
mod holes_of_the_bus_are_healed;
mod hooks_authorise_operations_and_observe_sessions;
mod many_rooms_are_joined_at_a_time;
mod messages_keep_their_order_while_an_outlet_is_full_now_and_then;
mod presence_counts_each_session_once;
mod presence_is_the_same_on_all_nodes;
mod sessions_are_closed_and_addressed_on_all_nodes;
mod sessions_that_end_leave_nothing_behind;
mod the_example_commands_shares_a_list_of_users;
mod the_example_rooms_is_a_chat;
mod the_handle_of_an_ended_session_does_not_act_on_the_next;
mod the_metrics_add_up;
mod the_notice_of_joining_comes_first;
mod the_tasks_of_a_node_end_with_it;
