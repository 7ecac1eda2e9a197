//! Clients of centrifuge's protocol, one behaviour per module.

mod client;
mod sdk;
mod server;

mod a_client_connects_before_anything_else;
mod a_client_reads_presence_and_history;
mod a_client_recovers_what_it_missed;
mod a_client_that_breaks_a_rule_is_disconnected;
mod a_token_decides_until_it_expires;
mod clients_of_all_encodings_meet_in_rooms;
mod commands_of_one_message_are_carried_out_in_order;
mod sdks_of_centrifuge_work;
mod the_application_is_called;
mod the_rules_of_a_room_hold_on_every_path;
mod the_rust_sdk_works;
mod the_server_chooses_rooms;
