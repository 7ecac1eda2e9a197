use std::future::Future;

use futures_util::future::{AbortHandle, abortable};
use js_sys::{Error, Function, Promise};
use tonic::Status;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

/// A call in progress. Dropping it (`free()`) does not end the call.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Call {
    done: Promise,
    abort_handle: AbortHandle,
}

#[wasm_bindgen]
impl Call {
    /// Returns the promise of the call's end. When the call fails, the promise is rejected with an
    /// `Error` whose `name` is the gRPC code.
    #[wasm_bindgen(getter)]
    pub fn done(&self) -> Promise {
        self.done.clone()
    }

    /// Cancels the call, here and on the server. No effect after the call has ended.
    pub fn cancel(&self) {
        self.abort_handle.abort();
    }
}

impl Call {
    pub(crate) fn begin(call: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Self {
        let (call, abort_handle) = abortable(call);
        let done = future_to_promise(async {
            call.await
                .unwrap_or_else(|_| Err(js_error(Status::cancelled("cancelled by the caller"))))
        });
        Self { done, abort_handle }
    }
}

/// Converts a status to an error that JavaScript can throw.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn js_error(status: Status) -> JsValue {
    let error = Error::new(status.message());
    error.set_name(&format!("{:?}", status.code()));
    error.into()
}

/// Calls `callback` with `value`.
///
/// # Errors
/// The exception that the callback throws.
pub(crate) fn notify(callback: &Function, value: &JsValue) -> Result<(), JsValue> {
    callback.call1(&JsValue::NULL, value).map(drop)
}
