//! Connections that the page's own policy forbids. A separate page, since a policy stays in force.
#![cfg(target_family = "wasm")]
#![allow(clippy::unwrap_used, reason = "this is a test")]

use js_sys::{Function, Reflect};
use sockeye_web::reconnect::{Event, Reconnecting};
use sockeye_web::{Client, ConnectError, Error};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// A script that limits the page's connections to its own origin.
const POLICY: &str = r#"
    const policy = document.createElement("meta");
    policy.httpEquiv = "Content-Security-Policy";
    policy.content = "connect-src 'self'";
    document.head.append(policy);
"#;

#[wasm_bindgen_test]
async fn a_connection_that_the_policy_forbids_is_not_retried() {
    Function::new_no_args(POLICY).call0(&JsValue::UNDEFINED).unwrap();
    let elsewhere = Client::new("ws://127.0.0.1:9/");
    let error = elsewhere.connect().await.unwrap_err();
    let ConnectError::Security(exception) = &error else { panic!("{error:?}") };
    assert!(["SecurityError", "NS_ERROR_CONTENT_BLOCKED"].contains(&&*exception.name), "{error:?}");
    let mut client = Reconnecting::new(elsewhere.clone());
    assert!(matches!(client.next().await, Ok(Some(Event::Scheduled { .. }))));
    assert_eq!(client.next().await, Err(Error::Connect(error)));
    assert_eq!(client.next().await, Ok(None));
    // Without streams, Chromium reports only that there was an error.
    let class = Reflect::get(&js_sys::global(), &JsValue::from_str("WebSocketStream"));
    if class.unwrap().is_function() {
        let error = elsewhere.websocket_stream(false).connect().await.unwrap_err();
        assert_eq!(error, ConnectError::Failed);
    }
}
