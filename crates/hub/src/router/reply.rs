use super::{Content, Failure, IntoContent, IntoFailure};

/// The reply of an endpoint.
#[derive(Debug)]
pub enum Reply {
    /// The command succeeded.
    Content(Content),
    /// The command failed.
    Failure(Failure),
    /// Nothing is sent: see [`NoReply`].
    None,
}

/// A value that becomes a reply: everything that is [content](IntoContent), a `Result` whose error
/// is a [`Failure`] or converts [into one](IntoFailure), or [`NoReply`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no reply of an endpoint",
    note = "a reply is `Json`, text, bytes, `()`, `NoReply` or a `Result` of these and `Failure`",
    note = "wrap a value that implements `Serialize` in `Json`"
)]
pub trait IntoReply {
    /// Converts the value. A value that has no JSON form becomes a failure with the code
    /// [`INTERNAL`](super::FailureCode::INTERNAL).
    fn into_reply(self) -> Reply;
}

impl<T: IntoContent> IntoReply for T {
    fn into_reply(self) -> Reply {
        match self.into_content() {
            Ok(content) => Reply::Content(content),
            Err(error) => Reply::Failure(Failure::internal(error)),
        }
    }
}

impl<T: IntoReply, E: IntoFailure> IntoReply for Result<T, E> {
    fn into_reply(self) -> Reply {
        match self {
            Ok(value) => value.into_reply(),
            Err(error) => Reply::Failure(error.into_failure()),
        }
    }
}

impl IntoReply for Reply {
    fn into_reply(self) -> Reply {
        self
    }
}

impl IntoReply for Failure {
    fn into_reply(self) -> Reply {
        Reply::Failure(self)
    }
}

/// The reply of an endpoint whose client expects none. A client that waits for a reply to its
/// command waits for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoReply;

impl IntoReply for NoReply {
    fn into_reply(self) -> Reply {
        Reply::None
    }
}
