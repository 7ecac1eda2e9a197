use sockeye::http::Extensions;

use super::{CommandName, Content, Context};

/// A command on its way to an endpoint, as [extractors](super::FromRequest) and
/// [layers](super::Router::layer) see it.
#[derive(Clone, Debug)]
pub struct Request {
    context: Context,
    content: Content,
    data: Extensions,
}

impl Request {
    pub(super) fn new(context: Context, body: Content) -> Self {
        Self { context, content: body, data: Extensions::new() }
    }

    /// Returns the context of the command.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Returns the name of the command.
    pub fn command(&self) -> &CommandName {
        self.context.command()
    }

    /// Returns the content as it came from the client.
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// Replaces the content.
    pub fn set_content(&mut self, content: Content) {
        self.content = content;
    }

    /// Returns the value of this type that a layer [attached](Self::set_data) to the command, or
    /// else the [connection's](Context::data).
    pub fn data<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.data.get().cloned().or_else(|| self.context.data())
    }

    /// Attaches a value to the command, one of each type, for the extractor
    /// [`Data`](super::Data); returns the previous one.
    pub fn set_data<T: Clone + Send + Sync + 'static>(&mut self, data: T) -> Option<T> {
        self.data.insert(data)
    }
}
