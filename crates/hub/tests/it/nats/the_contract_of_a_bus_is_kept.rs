use sockeye_hub::bus::kit::{Case, Kit};
use sockeye_hub::bus::nats::{ConnectOptions, Nats};

use crate::nats::proxy::Proxy;
use crate::nats::server::{Server, options};

with_each_server!(by_every_case_of_the_kit);

async fn by_every_case_of_the_kit(server: Server) {
    let proxy = Proxy::before(server.port).await;
    let url = proxy.url();
    Kit::new(move || {
        let url = url.clone();
        async move { Nats::connect_with(&url, options(), ConnectOptions::new()).await.unwrap() }
    })
    .interrupt(move || {
        proxy.end_connections();
        std::future::ready(())
    })
    // A stream bounds the bytes of all its rooms together.
    .without(Case::RetentionByBytes)
    .run()
    .await
    .unwrap();
}
