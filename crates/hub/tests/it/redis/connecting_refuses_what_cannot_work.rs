use std::time::Duration;

use sockeye_hub::bus::redis::{ConnectError, Redis, RedisOptions, RedisOptionsError};

use crate::redis::cluster::Cluster;
use crate::redis::server::Server;

#[tokio::test]
async fn and_says_why() {
    for url in ["", "localhost", "http://127.0.0.1", "redis://"] {
        let error = Redis::connect(url).await.unwrap_err();
        assert!(matches!(error, ConnectError::Url(_)), "{error:?}");
        assert!(error.to_string().contains("redis://127.0.0.1:6379"), "{error}");
    }
    let url = "redis://127.0.0.1:1";
    let error = Redis::connect(url).await.unwrap_err();
    assert!(matches!(error, ConnectError::Server { .. }), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    let cases = [
        (RedisOptions::new().readers(0), RedisOptionsError::Readers { readers: 0 }),
        (
            RedisOptions::new().timeout(Duration::from_secs(121)),
            RedisOptionsError::Timeout { timeout: Duration::from_secs(121) },
        ),
    ];
    for (options, expected) in cases {
        match Redis::connect_with(url, options).await {
            Err(ConnectError::Options(found)) => assert_eq!(found, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn and_names_the_scheme_that_would_work() {
    let Some(cluster) = Cluster::start(0, Duration::from_secs(15)).await else { return };
    let error = Redis::connect(&cluster.servers[0].url()).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Mode { mode } if mode == "cluster"), "{error:?}");
    assert!(error.to_string().contains("redis+cluster://"), "{error}");
    let options = RedisOptions::new().prefix("{x}");
    let error = Redis::connect_with(&cluster.url(), options).await.unwrap_err();
    let expected = RedisOptionsError::PrefixWithBraces;
    assert!(matches!(error, ConnectError::Options(found) if found == expected), "{error:?}");

    let Some(server) = Server::start().await else { return };
    let url = format!("redis+cluster://127.0.0.1:{}", server.port);
    let error = Redis::connect(&url).await.unwrap_err();
    assert!(error.to_string().contains("cluster support disabled"), "{error}");
}
