//! Tests of the rules of RFC 6455 and RFC 7692 that a connection follows: one behaviour per file.
//! Each protocol test runs at every split of its input, because the boundaries of the input must
//! not change the events.

#![cfg(feature = "deflate")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::decimal_bitwise_operands,
    clippy::similar_names,
    clippy::unchecked_time_subtraction,
    clippy::unnecessary_wraps,
    clippy::unwrap_used,
    reason = "tests write wire formats by hand, and fail where they are wrong"
)]

mod driving;
mod harness;
mod wire;

mod a_bomb_is_stopped_at_the_message_limit;
mod a_close_frame_is_answered_once;
mod a_closing_handshake_has_a_deadline;
mod a_connection_that_stays_silent_is_lost;
mod a_flood_of_pings_is_answered_by_the_last;
mod a_message_that_has_begun_goes_on;
mod a_message_that_is_whole_may_be_taken_first;
mod a_payload_left_in_place_is_written_as_if_it_were_copied;
mod close_payloads_follow_the_rules;
mod compressed_text_is_checked_as_it_arrives;
mod control_frames_are_short_and_whole;
mod each_direction_may_end_by_itself;
mod eight_window_bits_never_refer_further_back;
mod fragments_make_one_message;
mod frames_and_messages_have_limits;
mod frames_are_reported_where_that_is_asked_for;
mod lengths_are_in_their_shortest_form;
mod long_messages_are_given_in_pieces;
mod long_messages_are_sent_in_fragments;
mod masks_tell_clients_from_servers;
mod messages_survive_any_split;
mod nothing_is_sent_after_the_close_frame;
mod only_a_first_fragment_may_be_compressed;
mod pings_are_answered_in_order;
mod prepared_messages_mix_with_others;
mod reserved_bits_and_opcodes_are_refused;
mod text_fails_at_its_first_bad_byte;
