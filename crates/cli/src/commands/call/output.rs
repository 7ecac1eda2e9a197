//! The output of a call: responses on standard output, headers and trailers on standard error.

use std::io::{self, Write as _};

use sockeye::escape;
use sockeye::http::HeaderMap;
use sockeye_gateway::transcode::{PrintOptions, UnknownAny, wire_to_json};

use super::MAX_MESSAGE;
use super::arguments::OutputForm;
use super::catalog::CalledMethod;
use super::json_text::lay_out;
use super::rpc_error::RpcError;
use crate::client::Failure;

/// The output of a call.
#[derive(Debug)]
pub(super) struct Output<'s> {
    method: CalledMethod<'s>,
    form: OutputForm,
    shows_headers: bool,
    /// Number of responses so far.
    count: usize,
}

impl<'s> Output<'s> {
    /// Creates the output of a call.
    pub(super) fn new(method: CalledMethod<'s>, form: OutputForm, shows_headers: bool) -> Self {
        Self { method, form, shows_headers, count: 0 }
    }

    /// Prints the headers of the response, if the user asks for them.
    pub(super) fn headers(&self, headers: &HeaderMap) {
        self.metadata("headers", headers);
    }

    fn metadata(&self, title: &str, headers: &HeaderMap) {
        if !self.shows_headers {
            return;
        }
        // The call goes on where standard error is closed.
        let mut errors = io::stderr().lock();
        let _ = writeln!(errors, "{title}:");
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            let _ = writeln!(errors, "  {name}: {}", escape(&value));
        }
    }

    /// Prints a response in protobuf's binary format.
    pub(super) fn wire(&mut self, wire: &[u8]) -> Result<(), Failure> {
        let (tables, id) = (self.method.schema.tables(), self.method.descriptor.output);
        // Text takes more space than the wire: the message itself was bounded before.
        let options =
            PrintOptions::default().unknown_any(UnknownAny::Base64).max_output(8 * MAX_MESSAGE);
        let mut json = Vec::new();
        wire_to_json(tables, id, wire, &mut json, &options).map_err(|error| {
            let error = error.to_string();
            Failure::protocol(format!("a response cannot be read: {}", escape(&error)))
        })?;
        // The printer checks that strings are UTF-8.
        self.json(&String::from_utf8_lossy(&json))
    }

    /// Prints a response in valid JSON.
    pub(super) fn json(&mut self, json: &str) -> Result<(), Failure> {
        self.count += 1;
        print(&(lay_out(json, self.form == OutputForm::Json) + "\n"))
    }

    /// Ends the call: prints the trailers, and returns the error.
    ///
    /// # Errors
    /// The error of the server, or the failure of a success without the one response of a method.
    pub(super) fn finish(
        &self,
        error: Option<RpcError>,
        trailers: &HeaderMap,
    ) -> Result<(), Failure> {
        self.metadata("trailers", trailers);
        match error {
            Some(error) => Err(error.into()),
            None if !self.method.descriptor.server_streaming && self.count != 1 => {
                let count = self.count;
                Err(Failure::protocol(format!(
                    "the server sent {count} responses to a method that has one"
                )))
            }
            None => Ok(()),
        }
    }
}

/// Prints text on standard output at once.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|error| Failure::other(format!("cannot write to standard output: {error}")))
}
