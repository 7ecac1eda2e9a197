use std::time::Duration;

use js_sys::{Float64Array, Function};
use sockeye_demo::v1::HelloRequest;
use sockeye_demo::v1::demo_client::DemoClient;
use sockeye_grpc::Channel;
use tonic::Request;
use wasm_bindgen::prelude::*;

use crate::call::{js_error, notify};

/// Deadline of each call.
const DEADLINE: Duration = Duration::from_secs(5);

/// Number of calls whose times are reported together: a callback for each would be measured as
/// well.
const BATCH: usize = 64;

pub(crate) async fn run(
    mut client: DemoClient<Channel>,
    name: String,
    calls: u32,
    progress: Function,
) -> Result<JsValue, JsValue> {
    let clock = web_sys::window()
        .and_then(|window| window.performance())
        .ok_or_else(|| JsError::new("this is not a page: there is no clock"))?;
    let mut times = Vec::with_capacity(BATCH);
    let mut greeting = String::new();
    for call in 1..=calls {
        let begin = clock.now();
        let mut request = Request::new(HelloRequest { name: name.clone() });
        request.set_timeout(DEADLINE);
        greeting = client.say_hello(request).await.map_err(js_error)?.into_inner().greeting;
        times.push(clock.now() - begin);
        if times.len() == BATCH || call == calls {
            notify(&progress, &Float64Array::from(&times[..]))?;
            times.clear();
        }
    }
    Ok(greeting.into())
}
