use std::sync::Arc;

use sockeye_hub::bus::kit::Kit;
use sockeye_hub::bus::redis::{Redis, RedisOptions};

use crate::server::Server;

async fn check(options: RedisOptions) {
    let Some(server) = Server::start().await else { return };
    let server = Arc::new(server);
    let url = server.url();
    let kit = Kit::new(move || {
        let (url, options) = (url.clone(), options.clone());
        async move { Redis::connect_with(&url, options).await.unwrap() }
    });
    let interrupted = server.clone();
    let kit = kit.interrupt(move || {
        let server = interrupted.clone();
        async move { server.end_connections().await }
    });
    kit.run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_default_settings() {
    check(RedisOptions::new()).await;
}

#[tokio::test]
async fn with_one_reader_and_a_few_operations_at_a_time() {
    check(RedisOptions::new().readers(1).prefix("{x}*").max_requests(2, 1_000)).await;
}
