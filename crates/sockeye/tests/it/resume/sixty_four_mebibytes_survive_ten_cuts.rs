use std::hash::{DefaultHasher, Hasher};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::proxy::Proxy;
use super::{pair, pattern, serve};

const LENGTH: usize = 64 << 20;
const CUTS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_mebibytes_survive_ten_cuts_with_their_hash() {
    let mut serving = serve(|sessions| sessions).await;
    let proxy = Proxy::start(serving.address).await;
    let [mut client, mut server] = pair(&mut serving, proxy.address).await;
    let bytes = pattern(LENGTH);
    let expected = hash(&bytes);
    let cutting = tokio::spawn(async move {
        for cut in 1..=CUTS {
            proxy.passed(cut * LENGTH / (CUTS + 1)).await;
            proxy.cut();
        }
        proxy.ended(CUTS).await;
    });
    let receiving = tokio::spawn(async move {
        let (mut hasher, mut total) = (DefaultHasher::new(), 0);
        let mut buffer = vec![0; 100_000];
        loop {
            let length = server.read(&mut buffer).await.unwrap();
            if length == 0 {
                break;
            }
            hasher.write(&buffer[..length]);
            total += length;
        }
        // The answer goes the other way over the WebSocket of the moment.
        server.write_u64(hasher.finish()).await.unwrap();
        server.shutdown().await.unwrap();
        server.acknowledged().await.unwrap();
        total
    });
    client.write_all(&bytes).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(client.read_u64().await.unwrap(), expected);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    client.acknowledged().await.unwrap();
    assert_eq!(receiving.await.unwrap(), LENGTH);
    cutting.await.unwrap();
}

/// Returns the hash of the bytes in pieces of any length.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
