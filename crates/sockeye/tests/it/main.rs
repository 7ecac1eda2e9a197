//! Integration tests, one behaviour per module.

mod a_callback_may_refuse_a_request;
mod a_certificate_of_another_name_is_refused;
mod a_client_is_admitted_or_refused_before_the_upgrade;
mod a_drain_leaves_nobody_behind;
mod a_dropped_connect_closes_what_it_opened;
mod a_handshake_that_never_ends_times_out;
mod a_head_that_is_too_large_is_refused;
mod a_message_after_the_close_tells_of_it;
mod a_peer_on_a_slow_line_is_not_given_up;
mod a_peer_that_stalls_is_given_up;
mod a_refusal_is_dated_and_has_no_content_for_head;
mod a_refused_connection_names_the_address;
mod a_request_is_kept_when_asked;
#[cfg(feature = "axum")]
mod a_request_is_upgraded_by_axum;
#[cfg(feature = "hyper")]
mod a_request_is_upgraded_by_hyper;
mod a_sender_streams_long_messages;
mod a_server_serves_and_stops;
mod a_server_speaks_tls;
mod a_socks5_proxy_makes_the_connection;
mod a_trusted_proxy_tells_the_client;
mod a_unix_socket_carries_a_connection;
mod a_wrong_accept_key_is_refused;
mod a_wrong_scheme_is_named;
mod an_address_has_only_so_many_connections;
mod an_answer_that_is_no_upgrade_is_in_the_error;
mod an_error_is_logged_with_its_causes;
mod an_error_says_whether_to_try_again;
mod an_error_tells_its_cause_by_its_text_alone;
mod an_extension_of_ones_own_is_possible;
mod an_http_proxy_makes_the_connection;
mod an_unoffered_extension_is_refused;
mod an_unrequested_subprotocol_is_refused;
mod another_protocol_is_refused_at_once;
#[cfg(all(feature = "axum", feature = "http2"))]
mod axum_stops_without_losing_anybody;
mod both_ends_end_the_transport_once_closed;
#[cfg(all(feature = "deflate", feature = "http2", feature = "hyper"))]
mod both_versions_of_http_serve_alike;
#[cfg(feature = "axum")]
mod byte_stream;
mod cancel_safety;
mod certificate;
mod certificates_come_from_pem;
#[cfg(feature = "hyper")]
mod connections_have_spans;
mod credentials_are_sent_where_they_are_asked_for;
mod every_backend_serves_alike;
mod example_programs;
mod foreign;
mod frames_are_forwarded_as_they_come;
mod frames_sent_with_the_request_are_not_lost;
#[cfg(all(feature = "axum", feature = "deflate", feature = "http2", feature = "tls"))]
mod http2;
mod interim_answers_are_passed_over;
#[cfg(all(feature = "axum", feature = "deflate"))]
mod interop_byte_streams_with_python;
mod interop_handshake_by_curl;
#[cfg(all(feature = "deflate", feature = "http2", feature = "hyper"))]
mod interop_http2_with_node;
#[cfg(all(feature = "deflate", feature = "hyper"))]
mod interop_with_browsers;
#[cfg(feature = "deflate")]
mod interop_with_npm_ws;
#[cfg(feature = "deflate")]
mod interop_with_python_websockets;
mod log;
mod long_messages_are_streamed;
mod mux;
mod peer;
mod prepared_messages_are_sent_from_tasks;
mod reconnect;
mod redirects_are_followed_when_asked;
mod relay;
mod resume;
mod the_answer_is_there_to_read;
mod the_environment_names_the_proxy_when_asked;
mod tls_goes_through_a_proxy_untouched;
#[cfg(feature = "deflate")]
mod traffic_is_counted_in_every_form;
mod unfinished_messages_share_a_budget;
mod unread_output_shares_a_budget;
#[cfg(feature = "json")]
mod values_travel_as_json;
mod what_was_sent_arrives_after_a_drop;
