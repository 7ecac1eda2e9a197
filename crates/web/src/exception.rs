use std::fmt;

use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// An exception thrown by the browser, with the browser's own text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exception {
    /// The name of the exception, such as `SecurityError`; empty if the thrown value has no name.
    pub name: String,
    /// The browser's message.
    pub message: String,
}

impl From<JsValue> for Exception {
    fn from(thrown: JsValue) -> Self {
        // Firefox also throws values that are not JavaScript `Error`s but have the same properties.
        let property = |key: &str| Reflect::get(&thrown, &key.into()).ok()?.as_string();
        match (property("name"), property("message")) {
            (Some(name), Some(message)) => Self { name, message },
            _ => Self { name: String::new(), message: format!("{thrown:?}") },
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.name, self.message)
    }
}

impl std::error::Error for Exception {}
