use std::fmt;

use js_sys::Error as JsError;
use wasm_bindgen::{JsCast, JsValue};

/// What the browser threw, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The name of the kind of exception, as `SecurityError`; empty when it was none.
    pub name: String,
    /// The browser's explanation.
    pub message: String,
}

impl From<JsValue> for Exception {
    fn from(thrown: JsValue) -> Self {
        match thrown.dyn_ref::<JsError>() {
            Some(error) => Self { name: error.name().into(), message: error.message().into() },
            None => Self { name: String::new(), message: format!("{thrown:?}") },
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
