use sockeye::mux::{Config, Session};
use sockeye::resume::ResumableStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{bytes, open};
use crate::resume::proxy::Proxy;
use crate::resume::{pair, serve};

const LENGTH: usize = 8 << 20;
const CUTS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_over_a_resumable_stream_survive_cuts() {
    survive_cuts(Session::client_resumable, Session::server_resumable).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resumable_stream_may_be_used_as_any_byte_stream() {
    survive_cuts(Session::client_over, Session::server_resumable).await;
}

type Begin = fn(ResumableStream, Config) -> Session;

async fn survive_cuts(begin_client: Begin, begin_server: Begin) {
    let mut serving = serve(|sessions| sessions).await;
    let proxy = Proxy::start(serving.address).await;
    let [client, server] = pair(&mut serving, proxy.address).await;
    let config = Config::new().idle_timeout(None);
    let (client, server) = (begin_client(client, config), begin_server(server, config));
    let cutting = tokio::spawn(async move {
        for cut in 1..=CUTS {
            proxy.passed(cut * LENGTH / (CUTS + 1)).await;
            proxy.cut();
        }
        proxy.ended(CUTS).await;
    });
    let ((mut send, mut recv), (mut far_send, mut far_recv)) = open(&client, &server).await;
    let echo = tokio::spawn(async move {
        tokio::io::copy(&mut far_recv, &mut far_send).await.unwrap();
        far_send.finish().unwrap();
        far_send.stopped().await.unwrap();
    });
    let data = bytes(3, LENGTH);
    let mut echoed = Vec::new();
    let write = async {
        send.write_all(&data).await.unwrap();
        send.finish().unwrap();
    };
    let (read, ()) = tokio::join!(recv.read_to_end(&mut echoed), write);
    read.unwrap();
    assert!(echoed == data, "the data came back changed");
    echo.await.unwrap();
    cutting.await.unwrap();
    let released = client.released();
    drop((client, send, recv));
    released.await;
}
