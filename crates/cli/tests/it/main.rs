//! Integration tests, a behaviour each.

mod a_bad_certificate_is_explained;
mod a_full_server_lets_new_clients_wait;
mod a_message_over_the_limit_closes_with_1009;
mod a_taken_port_is_explained;
mod bad_flags_say_what_is_allowed;
mod browser;
mod browsers_use_http2;
mod ctrl_c_closes_websockets_with_1001;
mod ctrl_c_never_hangs;
mod demo_in_a_browser;
mod echo_returns_every_message;
mod healthz_answers_ok;
mod http2_carries_pages_and_websockets;
mod metrics_show_exact_figures;
mod other_origins_need_leave;
mod page_in_a_browser;
mod plain_http_on_a_tls_port_is_sent_to_https;
mod program;
mod self_signed_serves_https;
mod serve_prints_its_address_and_answers_with_the_page;
mod slow_clients_are_let_go;
mod wrong_requests_get_a_sentence;
