use std::fmt;

use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// What the browser threw, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exception {
    /// The name of the kind of exception, as `SecurityError`; empty when it was none.
    pub name: String,
    /// The browser's explanation.
    pub message: String,
}

impl From<JsValue> for Exception {
    fn from(thrown: JsValue) -> Self {
        // Some that Firefox throws are no errors of JavaScript, and have the same words.
        let word = |key: &str| Reflect::get(&thrown, &key.into()).ok()?.as_string();
        match (word("name"), word("message")) {
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
