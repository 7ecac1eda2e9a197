//! Statuses with details.

use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};

use crate::v1::invalid_book::Violation;
use crate::v1::{InvalidBook, UnknownBook};

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// Returns the status of a call for a book that there is not.
pub(crate) fn unknown_book(id: &str, known_ids: Vec<String>) -> Status {
    let detail = UnknownBook { id: id.to_owned(), known_ids };
    with_detail(Code::NotFound, format!("there is no book {id:?}"), "UnknownBook", &detail)
}

/// Returns the status of a call with a book that is not valid.
pub(crate) fn invalid_book(violations: Vec<Violation>) -> Status {
    let fields: Vec<_> = violations
        .iter()
        .map(|violation| format!("{}: {}", violation.field, violation.description))
        .collect();
    let message = format!("the book is not valid: {}", fields.join("; "));
    with_detail(Code::InvalidArgument, message, "InvalidBook", &InvalidBook { violations })
}

fn with_detail(code: Code, message: String, name: &str, detail: &impl Message) -> Status {
    let type_url = format!("type.googleapis.com/sockeye.library.v1.{name}");
    let details = vec![Any { type_url, value: detail.encode_to_vec() }];
    let status = RpcStatus { code: code.into(), message: message.clone(), details };
    Status::with_details(code, message, status.encode_to_vec().into())
}
