//! Headers, message and trailers of a call share one WebSocket message.

use sockeye_grpc_testing::proto::HelloRequest;
use sockeye_grpc_testing::proto::greeter_client::GreeterClient;

use crate::{relay, server};

const CALLS: usize = 500;

// One thread, so that tasks that are ready together run together.
#[tokio::test]
async fn sequential_calls_take_one_message_each_way() {
    let (url, passed) = relay::to(server::at_websocket().await).await;
    let mut greeter = GreeterClient::new(sockeye_grpc::connect(url).await.unwrap());
    let hello = HelloRequest { name: "Ada".into() };
    // Settings of both sides and their acknowledgements are exchanged first.
    for _ in 0..10 {
        greeter.say_hello(hello.clone()).await.unwrap();
    }
    let before = passed.counts();
    for _ in 0..CALLS {
        greeter.say_hello(hello.clone()).await.unwrap();
    }
    let after = passed.counts();
    assert_eq!((after.0 - before.0, after.1 - before.1), (CALLS, CALLS));
}
