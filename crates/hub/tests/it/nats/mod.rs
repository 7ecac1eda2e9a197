//! The bus over NATS, with real servers: one for each test, which ends with the test. Each test
//! runs with a server of version 2.9 and with a newer one.

mod proxy;
mod server;

/// Makes each function a test with a server of each version.
macro_rules! with_each_server {
    ($($test:ident),+ $(,)?) => {
        mod v2_9 {
            use $crate::nats::server::{OLD, Server};

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(server) = Server::start(OLD).await {
                    super::$test(server).await;
                }
            })+
        }
        mod newer {
            use $crate::nats::server::{NEW, Server};

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(server) = Server::start(NEW).await {
                    super::$test(server).await;
                }
            })+
        }
    };
}

mod a_cluster_is_one_broker;
mod a_loss_of_the_store_is_found;
mod a_lost_acknowledgement_stores_nothing_twice;
mod an_outage_of_the_broker_ends_nobodys_presence;
mod connecting_refuses_what_cannot_work;
mod members_receive_everything_once_whatever_breaks;
mod nodes_agree_on_the_epoch_of_a_stream;
mod nothing_arrives_between_down_and_up;
mod pages_have_no_holes;
mod removing_a_history_uses_up_no_retention;
mod the_contract_of_a_bus_is_kept;
mod what_was_stored_is_recovered_after_a_restart;
