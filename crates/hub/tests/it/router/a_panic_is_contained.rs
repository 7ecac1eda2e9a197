use sockeye_hub::router::{Failure, FromRequest, Next, Request, Router, from_fn};
use tokio::task::yield_now;

use crate::router::connection::connect;

struct PanickingExtractor;

impl<S: Sync> FromRequest<S> for PanickingExtractor {
    async fn from_request(_: &Request, _: &S) -> Result<Self, Failure> {
        yield_now().await;
        panic!("in an extractor");
    }
}

struct PanicInDrop;

impl Drop for PanicInDrop {
    fn drop(&mut self) {
        panic!("in a drop");
    }
}

fn panic_before_the_future() -> std::future::Ready<()> {
    panic!("before the future");
}

#[tokio::test]
async fn wherever_it_happens() {
    let router = Router::new(())
        .on("ok", async || ())
        .on("call", panic_before_the_future)
        .on("at once", async || {
            assert!(std::hint::black_box(false), "at once");
        })
        .on("later", async || {
            yield_now().await;
            let number = std::hint::black_box(1);
            assert!(number == 2, "later: {number}");
        })
        .on("extractor", async |_: PanickingExtractor| ())
        .on("value", async || {
            if std::hint::black_box(true) {
                std::panic::panic_any(7);
            }
        })
        .on("drop", async || {
            let _panic = PanicInDrop;
        })
        .on("cancelled", async || {
            let _panic = PanicInDrop;
            std::future::pending::<()>().await;
        })
        .layer(from_fn(async |request: Request, next: Next| {
            assert!(*request.command() != "layer", "in a layer");
            next.run(request).await
        }));
    let mut connected = connect(&router).await;
    let failed = r#"{"id":1,"error":{"code":500,"message":"internal error"}}"#;
    for command in ["call", "at once", "later", "extractor", "value", "drop", "layer"] {
        connected.expect(format!(r#"{{"id":1,"cmd":"{command}"}}"#), failed).await;
        // The connection, and the order of the id's commands, go on.
        connected.expect(r#"{"id":1,"cmd":"ok"}"#, r#"{"id":1,"data":null}"#).await;
    }
    connected.send(r#"{"id":1,"cmd":"cancelled"}"#).await;
    connected.expect(r#"{"cancel":1}"#, failed).await;
    connected.expect(r#"{"id":1,"cmd":"ok"}"#, r#"{"id":1,"data":null}"#).await;
    connected.close().await;
}
