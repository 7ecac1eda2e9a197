//! The bus over Redis, with real servers for each test, which end with the test.

mod cluster;
mod proxy;
mod sentinel;
mod server;

mod a_full_server_refuses_publications;
mod a_loss_of_the_store_is_found;
mod a_lost_acknowledgement_stores_nothing_twice;
mod a_primary_of_a_cluster_is_replaced;
mod a_replica_is_tried_with_growing_delays;
mod a_sentinel_names_the_primary;
mod a_slot_moves_while_nodes_publish;
mod an_outage_of_the_broker_ends_nobodys_presence;
mod checks_of_idle_rooms_write_nothing;
mod connecting_refuses_what_cannot_work;
mod members_receive_everything_once_whatever_breaks;
mod the_contract_of_a_bus_is_kept;
mod tls_is_used_if_the_url_says_so;
mod what_a_node_does_not_read_is_reported_as_lost;
