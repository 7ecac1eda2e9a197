//! HTTP rules of methods, from annotations and from files.
//!
//! A method has rules by the option `google.api.http` in its definition ([`annotation_rules`]) and
//! by the selectors of a file ([`RuleFile`]). Both are lists of [`Binding`]s, in which a faulty
//! rule is left out and reported, and the others remain. To let the operator decide, insert the
//! bindings of the file before those of the annotations into a [`Router`](crate::route::Router):
//! of two equal routes, the first is kept.

mod annotation;
mod binding;
mod error;
mod file;
mod raw;
#[cfg(test)]
mod tests;

pub use self::annotation::{HTTP_EXTENSION, annotation_rules};
pub use self::binding::{Binding, Body, ParsedRules};
pub use self::error::{RuleError, RuleFault};
pub use self::file::{RuleFile, RuleFileError};
