//! The source of the input: standard input, the terminal, `--data` or a recording, read by a
//! thread.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _};
use std::sync::Arc;

use sockeye::{Kind, Message};

use super::arguments::Connect;
use super::framing::{Framing, Messages};
use super::input::{Input, Inputs};
use super::prompt::Prompt;
use super::terminal;
use crate::client::Failure;

/// The source of the input.
pub(super) enum Source {
    Data(Vec<Message>),
    Replay(File),
    Terminal,
    Stdin,
}

impl Source {
    /// Returns the source that the arguments select.
    pub(super) fn of(options: &Connect) -> Result<Self, Failure> {
        if !options.data.is_empty() {
            let message = |text: &String| match kind(options) {
                Kind::Text => text.into(),
                Kind::Binary => Message::Binary(text.clone().into_bytes().into()),
            };
            return Ok(Self::Data(options.data.iter().map(message).collect()));
        }
        if let Some(path) = &options.replay {
            let opened = File::open(path).map(Self::Replay);
            return opened.map_err(|error| {
                Failure::usage(format!("cannot read {}: {error}", path.display()))
            });
        }
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        Ok(if is_terminal { Self::Terminal } else { Self::Stdin })
    }

    /// Starts the thread that reads the input. Returns the prompt, if there is one.
    pub(super) fn start(
        self,
        options: &Connect,
        inputs: Inputs,
    ) -> Result<Option<Arc<Prompt>>, Failure> {
        let (framing, kind, limit) = (options.frame, kind(options), options.max_message);
        match self {
            Self::Data(messages) => spawn(move || {
                for message in messages {
                    if inputs.blocking_send(Ok(Input::Message(message))).is_err() {
                        return;
                    }
                }
            }),
            Self::Replay(file) => spawn(move || {
                pass_on(Messages::new(BufReader::new(file), Framing::Ndjson, kind, limit), &inputs);
            }),
            Self::Terminal => {
                let (editor, prompt) = terminal::open()?;
                let (edited, slash) = (Arc::clone(&prompt), options.slash);
                spawn(move || terminal::read_lines(editor, &edited, slash, kind, &inputs))?;
                return Ok(Some(prompt));
            }
            Self::Stdin => spawn(move || {
                pass_on(Messages::new(io::stdin().lock(), framing, kind, limit), &inputs);
            }),
        }?;
        Ok(None)
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let thread = std::thread::Builder::new().name("input".to_owned()).spawn(work);
    thread.map(drop).map_err(|error| Failure::input(&error))
}

/// Passes on all messages, up to the first error.
fn pass_on<R: io::BufRead>(mut messages: Messages<R>, inputs: &Inputs) {
    while let Some(input) = messages.read().transpose() {
        let failed = input.is_err();
        if inputs.blocking_send(input).is_err() || failed {
            return;
        }
    }
}

fn kind(options: &Connect) -> Kind {
    if options.binary { Kind::Binary } else { Kind::Text }
}
