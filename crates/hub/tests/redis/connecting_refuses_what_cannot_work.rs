use std::time::Duration;

use sockeye_hub::bus::redis::{ConnectError, Redis, RedisOptions, RedisOptionsError};

#[tokio::test]
async fn and_says_why() {
    for url in ["", "localhost", "http://127.0.0.1", "redis://"] {
        let error = Redis::connect(url).await.unwrap_err();
        assert!(matches!(error, ConnectError::Url(_)), "{error:?}");
        assert!(error.to_string().contains("redis://127.0.0.1:6379"), "{error}");
    }
    let url = "redis://127.0.0.1:1";
    let error = Redis::connect(url).await.unwrap_err();
    assert!(matches!(error, ConnectError::Server(_)), "{error:?}");
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
