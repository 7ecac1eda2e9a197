//! Integration tests, one behaviour per module.

mod a_bad_certificate_is_explained;
mod a_full_server_lets_new_clients_wait;
#[cfg(all(feature = "nats", feature = "redis", target_os = "linux"))]
mod a_hub_heals_after;
mod a_message_over_the_limit_closes_with_1009;
mod a_stopping_server_sends_clients_of_the_hub_away;
mod a_taken_port_is_explained;
mod bad_flags_say_what_is_allowed;
mod browser;
mod browsers_use_http2;
mod chat_in_a_browser;
mod clients_meet_in_rooms;
mod ctrl_c_closes_websockets_with_1001;
mod ctrl_c_never_hangs;
mod demo_in_a_browser;
mod echo_returns_every_message;
mod healthz_answers_ok;
mod http2_carries_pages_and_websockets;
mod metrics_are_exact;
mod one_http2_connection_costs_a_bounded_share;
mod only_known_hosts_are_answered;
mod other_origins_need_permission;
mod page_in_a_browser;
mod plain_http_on_a_tls_port_is_sent_to_https;
mod program;
mod self_signed_serves_https;
mod serve_prints_its_address_and_answers_with_the_page;
mod several_servers_are_one_hub;
mod slow_clients_are_disconnected;
mod text_from_a_peer_is_logged_escaped;
mod the_hub_is_open_on_loopback_only;
mod the_memory_budget_closes_the_largest_holder;
mod the_server_api_needs_its_key;
mod trusted_proxies_report_the_client;
mod unread_responses_end_the_connection;
mod wrong_requests_name_the_right_path;
