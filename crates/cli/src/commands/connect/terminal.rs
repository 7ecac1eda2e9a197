//! The line editor of a terminal.

use std::io::{self, Write as _};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor, ExternalPrinter};
use sockeye::{Kind, Message};

use super::failure::Failure;
use super::input::{Input, Inputs};
use super::slash;

const PROMPT: &str = "> ";

/// Ends bracketed paste, which the line editor begins.
const PASTE_OFF: &[u8] = b"\x1b[?2004l\r\n";

/// Prints above the prompt.
pub(super) struct Printer(Box<dyn ExternalPrinter + Send>);

impl Printer {
    pub(super) fn print(&mut self, text: String) -> Result<(), Failure> {
        self.0.print(text).map_err(|error| failed(&error))
    }
}

/// Opens the line editor on the terminal. Its history lasts as long as the program: messages may be
/// secrets, which no file should keep.
pub(super) fn open() -> Result<(DefaultEditor, Printer), Failure> {
    let config = Config::builder().auto_add_history(true).build();
    let mut editor = DefaultEditor::with_config(config).map_err(|error| failed(&error))?;
    let printer = editor.create_external_printer().map_err(|error| failed(&error))?;
    Ok((editor, Printer(Box::new(printer))))
}

/// Reads lines until Ctrl-D or Ctrl-C.
pub(super) fn read_lines(mut editor: DefaultEditor, slash: bool, kind: Kind, inputs: &Inputs) {
    loop {
        let input = match editor.readline(PROMPT) {
            Ok(line) if slash && line.starts_with('/') => Ok(slash::parse(&line)),
            Ok(line) => Ok(Input::Message(match kind {
                Kind::Text => line.into(),
                Kind::Binary => Message::Binary(line.into_bytes().into()),
            })),
            Err(ReadlineError::Eof) => Input::close(1000, ""),
            Err(ReadlineError::Interrupted) => Ok(Input::Interrupt),
            Err(error) => Err(failed(&error)),
        };
        let is_last = !matches!(input, Ok(Input::Message(_) | Input::Ping | Input::Note(_)));
        if inputs.blocking_send(input).is_err() || is_last {
            return;
        }
    }
}

fn failed(error: &ReadlineError) -> Failure {
    Failure::input(&io::Error::other(error.to_string()))
}

/// The mode of the terminal before the program: the line editor may still be waiting for a line
/// when the server closes, and then leaves the terminal in its own mode.
pub(super) struct Mode(Option<Termios>);

impl Mode {
    pub(super) fn save() -> Self {
        Self(tcgetattr(io::stdin()).ok())
    }

    /// Restores the mode, if it has changed.
    pub(super) fn restore(&self) {
        let Some(saved) = &self.0 else { return };
        let is_changed = tcgetattr(io::stdin())
            .is_ok_and(|now| now.local_modes.bits() != saved.local_modes.bits());
        if !is_changed {
            return;
        }
        // The process is about to end; there is nobody to report an error to.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, saved);
        let mut stdout = io::stdout();
        let _ = stdout.write_all(PASTE_OFF).and_then(|()| stdout.flush());
    }
}
