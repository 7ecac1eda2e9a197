//! The requests of a call, from JSON to the wire.

use sockeye_gateway::descriptor::{Cardinality, Field, Kind};
use sockeye_gateway::dialect::framing::JsonSplitter;
use sockeye_gateway::transcode::{ParseOptions, Problem, TranscodeError, json_to_wire};

use super::MAX_MESSAGE;
use super::catalog::{CalledMethod, nearest};
use super::input::Input;
use crate::client::Failure;

/// The requests of a call, in protobuf's binary format.
#[derive(Debug)]
pub(super) struct Requests<'s> {
    method: CalledMethod<'s>,
    input: Input,
    splitter: JsonSplitter,
    has_ended: bool,
    /// Number of requests so far.
    count: usize,
}

impl<'s> Requests<'s> {
    /// Opens the input of a call: `data` as `--data` has it.
    pub(super) fn open(method: CalledMethod<'s>, data: Option<&str>) -> Result<Self, Failure> {
        let default = if method.descriptor.client_streaming { "-" } else { "{}" };
        Ok(Self {
            method,
            input: Input::open(data.unwrap_or(default))?,
            splitter: JsonSplitter::new(MAX_MESSAGE),
            has_ended: false,
            count: 0,
        })
    }

    /// Returns whether there may be any number of requests.
    pub(super) fn are_stream(&self) -> bool {
        self.method.descriptor.client_streaming
    }

    /// Returns the request of a method with one.
    ///
    /// # Errors
    /// A usage failure that names the field at fault.
    pub(super) async fn one(&mut self) -> Result<Vec<u8>, Failure> {
        let json = self.input.whole().await?;
        self.wire(&json)
    }

    /// Returns the next request of a stream as it arrives; `None` at the end of the input.
    ///
    /// # Errors
    /// As [`one`](Self::one), with the number of the request.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            let split =
                if self.has_ended { self.splitter.finish() } else { self.splitter.next_value() };
            let json = split.map_err(|error| {
                Failure::usage(format!("the input is not a sequence of JSON values: {error}"))
            })?;
            if let Some(json) = json {
                return self.wire(&json).map(Some);
            }
            if self.has_ended {
                return Ok(None);
            }
            match self.input.next().await? {
                Some(piece) => self.splitter.push(piece),
                None => self.has_ended = true,
            }
        }
    }

    fn wire(&mut self, json: &[u8]) -> Result<Vec<u8>, Failure> {
        self.count += 1;
        let mut wire = Vec::new();
        let (tables, input) = (self.method.schema.tables(), self.method.descriptor.input);
        let options = ParseOptions::default().ignore_unknown(false).max_output(MAX_MESSAGE);
        match json_to_wire(tables, input, json, &mut wire, &options) {
            Ok(()) => Ok(wire),
            Err(error) => Err(self.invalid(&error)),
        }
    }

    fn invalid(&self, error: &TranscodeError) -> Failure {
        let request = if self.are_stream() {
            format!("request {}", self.count)
        } else {
            "the request".to_owned()
        };
        let hint = match error.problem() {
            Problem::UnknownField => self.known_field(&error.path()),
            _ => None,
        };
        let hint = hint.map_or_else(String::new, |name| format!("; did you mean {name}?"));
        let message = &self.method.schema.pool().message(self.method.descriptor.input).full_name;
        Failure::usage(format!("{request} is not a {message}: {error}{hint}"))
    }

    /// Returns the name of the field that the user has most likely meant by the last one of a path.
    fn known_field(&self, path: &str) -> Option<&'s str> {
        let pool = self.method.schema.pool();
        let mut id = self.method.descriptor.input;
        let mut names = path.split('.').map(|name| name.split('[').next().unwrap_or(name));
        let last = names.next_back()?;
        for name in names {
            let is_named = |field: &&Field| field.json_name == name || field.name == name;
            let mut field = pool.message(id).fields.iter().find(is_named)?;
            if field.cardinality == Cardinality::Map
                && let Kind::Message(entry) = field.kind
            {
                field = pool.message(entry).fields.get(1)?;
            }
            let (Kind::Message(inner) | Kind::Group(inner)) = field.kind else { return None };
            id = inner;
        }
        nearest(last, pool.message(id).fields.iter().map(|field| field.json_name.as_str()))
    }
}
