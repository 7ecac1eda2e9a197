//! Bindings of path variables and query parameters to the fields of a request message.
//!
//! [`Bindings`] collects them and writes them as a JSON object, which the transcoder then merges
//! into the request: what a parameter may name is decided here, and how a value is encoded there.
//! The fields come from a [`Schema`].
//!
//! | value of the query | becomes |
//! |---|---|
//! | `a.b=1` | a field of a message; each name is that of the definition, or of JSON |
//! | `tags=a&tags=b` | the elements of a repeated field |
//! | `labels[key]=value` | an entry of a map |
//! | an enum | the name, or the number |
//! | a bool | `true`, `t`, `1`, `false`, `f`, `0`, also with capitals as Go's `ParseBool` reads them |
//! | bytes | base64, standard or URL-safe, padded or not |
//! | a wrapper | the value that it wraps |
//! | `google.protobuf.Duration` | the form of JSON (`1.5s`), or Go's (`1h30m`, `250ms`) |
//! | `google.protobuf.FieldMask` | names between commas, as in the definition or in JSON |
//! | `Value`, `Struct`, `ListValue` of `google.protobuf` | JSON |

mod duration;
mod error;
mod fields;
mod object;
mod query;
mod schema;
#[cfg(test)]
mod tests;
mod value;

pub use self::error::BindError;
pub use self::fields::{Bindings, UnknownNames, check_variable};
pub use self::query::{MAX_PARAMETERS, Parameters, QueryError, parse_query};
pub use self::schema::{Cardinality, Field, FieldKind, Schema};
