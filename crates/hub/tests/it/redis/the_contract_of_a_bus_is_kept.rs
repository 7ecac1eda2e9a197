use std::sync::Arc;
use std::time::Duration;

use sockeye_hub::bus::kit::Kit;
use sockeye_hub::bus::redis::{Redis, RedisOptions};

use crate::redis::cluster::Cluster;
use crate::redis::sentinel::Watched;
use crate::redis::server::Server;

fn kit(url: String, options: RedisOptions) -> Kit {
    Kit::new(move || {
        let (url, options) = (url.clone(), options.clone());
        async move { Redis::connect_with(&url, options).await.unwrap() }
    })
}

async fn check(options: RedisOptions) {
    let Some(server) = Server::start().await else { return };
    let server = Arc::new(server);
    let interrupted = server.clone();
    let kit = kit(server.url(), options).interrupt(move || {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_a_cluster() {
    let Some(cluster) = Cluster::start(0, Duration::from_secs(15)).await else { return };
    let cluster = Arc::new(cluster);
    let interrupted = cluster.clone();
    let kit = kit(cluster.url(), RedisOptions::new()).interrupt(move || {
        let cluster = interrupted.clone();
        async move { cluster.end_connections().await }
    });
    kit.run().await.unwrap();
}

#[tokio::test]
#[ignore = "slow: ci/redis-faults.sh"]
async fn by_the_primary_of_a_sentinel() {
    let Some(watched) = Watched::start().await else { return };
    let watched = Arc::new(watched);
    let interrupted = watched.clone();
    let kit = kit(watched.url(), RedisOptions::new()).interrupt(move || {
        let watched = interrupted.clone();
        async move { watched.servers[0].end_connections().await }
    });
    kit.run().await.unwrap();
}
