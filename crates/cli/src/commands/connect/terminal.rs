//! The line editor of a terminal.

use std::io;
use std::sync::Arc;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{ColorMode, Config, Editor, Helper};
use sockeye::{Kind, Message};

use super::input::{Input, Inputs};
use super::prompt::{PROMPT, Prompt};
use super::slash;
use crate::client::Failure;
use crate::terminal::takes_escapes;

/// The line editor.
///
/// Messages are printed above its prompt by [`Prompt`]. The external printer of rustyline 18 is not
/// used: with it, keys that arrive together wait for the next key. Keys that arrive together with
/// the end of a line are those of the next one: rustyline keeps them by its feature `buffer-redux`.
pub(super) type LineEditor = Editor<Watch, DefaultHistory>;

/// Opens the line editor on the terminal. Its history lasts as long as the program: messages may be
/// secrets, which no file should keep.
pub(super) fn open() -> Result<(LineEditor, Arc<Prompt>), Failure> {
    // A helper is called only where colors are enabled.
    let config = Config::builder().auto_add_history(true).color_mode(ColorMode::Forced).build();
    let mut editor = Editor::with_config(config).map_err(|error| failed(&error))?;
    let prompt = Arc::new(Prompt::default());
    editor.set_helper(Some(Watch(Arc::clone(&prompt))));
    Ok((editor, prompt))
}

/// Reads lines until Ctrl-D or Ctrl-C, or until the prompt is closed.
pub(super) fn read_lines(
    mut editor: LineEditor,
    prompt: &Prompt,
    slash: bool,
    kind: Kind,
    inputs: &Inputs,
) {
    let is_edited = takes_escapes();
    while prompt.begin_line() {
        let line = if is_edited {
            editor.readline(PROMPT)
        } else {
            // The terminal edits the line. A message cannot be shown above it, nor above a prompt.
            prompt.end_line();
            editor.readline("")
        };
        prompt.end_line();
        let input = match line {
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

/// A helper of the line editor that reports the edited line to the prompt.
pub(super) struct Watch(Arc<Prompt>);

impl Helper for Watch {}

impl Completer for Watch {
    type Candidate = String;
}

impl Hinter for Watch {
    type Hint = String;
}

impl Validator for Watch {}

impl Highlighter for Watch {
    /// Called by the line editor for the empty line that it begins with, for each change of the
    /// line and for each move of the cursor.
    fn highlight_char(&self, line: &str, pos: usize, _: CmdKind) -> bool {
        self.0.set_line(line, pos);
        false
    }
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
        if is_changed {
            super::prompt::leave();
            // The process is about to end; there is nobody to report an error to.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, saved);
        }
    }
}
