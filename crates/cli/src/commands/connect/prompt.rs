//! Messages above the prompt of the line editor.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use unicode_width::UnicodeWidthChar as _;

use crate::terminal;

pub(super) const PROMPT: &str = "> ";

/// Time for the line editor to begin a line, which takes it some system calls.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The line below which nothing is shown, as the line editor draws it.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    state: Mutex<State>,
    /// Notified when a line is no longer about to begin.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// `None` while no line is edited.
    line: Option<Line>,
    /// The line editor is about to change the mode of the terminal, and to draw the prompt.
    is_beginning: bool,
    /// The line editor must not begin another line.
    is_closed: bool,
}

/// Closes the prompt when dropped, so that the line editor leaves the mode of the terminal alone.
pub(super) struct CloseOnDrop(pub(super) Arc<Prompt>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[derive(Debug)]
struct Line {
    text: String,
    /// The byte before which the cursor is.
    cursor: usize,
}

/// A place on the terminal, from the beginning of the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    row: usize,
    column: usize,
}

impl Prompt {
    /// Announces that the line editor begins a line. Returns `false` if the prompt is closed.
    pub(super) fn begin_line(&self) -> bool {
        let mut state = self.lock();
        state.is_beginning = !state.is_closed;
        state.is_beginning
    }

    /// Sets the edited line and the byte before which its cursor is.
    pub(super) fn set_line(&self, text: &str, cursor: usize) {
        self.change(Some(Line { text: text.to_owned(), cursor }));
    }

    /// Announces that the line has ended.
    pub(super) fn end_line(&self) {
        self.change(None);
    }

    fn change(&self, line: Option<Line>) {
        let mut state = self.lock();
        state.line = line;
        state.is_beginning = false;
        self.changed.notify_all();
    }

    /// Lets no further line begin, and waits until the line editor has begun one that it is about
    /// to begin.
    fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        // After the timeout there is nothing left to do.
        let _ = self.changed.wait_timeout_while(state, BEGIN_TIMEOUT, |state| state.is_beginning);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a text of whole lines above the prompt.
    pub(super) fn print(&self, text: &str) -> io::Result<()> {
        let state = self.lock();
        let mut stdout = io::stdout().lock();
        let columns = terminal::size(&stdout).columns;
        stdout.write_all(above(state.line.as_ref(), text, columns).as_bytes())?;
        stdout.flush()
    }
}

/// Leaves the line editor from outside: ends its line, and the bracketed paste that it began.
pub(super) fn leave() {
    let mut stdout = io::stdout().lock();
    // The process is about to end; there is nobody to report an error to.
    let _ = stdout.write_all(b"\x1b[?2004l\r\n").and_then(|()| stdout.flush());
}

/// Returns the output that shows `text` above the line, and the line with its cursor below.
fn above(line: Option<&Line>, text: &str, columns: usize) -> String {
    let Some(line) = line else { return text.to_owned() };
    let text = text.replace('\n', "\r\n");
    let before = line.text.get(..line.cursor).unwrap_or(&line.text);
    let cursor = place(&format!("{PROMPT}{before}"), columns);
    let end = place(&format!("{PROMPT}{}", line.text), columns);
    let mut output = String::from("\r");
    up(&mut output, cursor.row);
    output += "\x1b[J";
    output += &text;
    output += PROMPT;
    output += &line.text.replace('\n', "\r\n");
    if end.column == 0 && end.row > 0 && !line.text.ends_with('\n') {
        // A terminal moves to the next row only with the next character.
        output += "\r\n";
    }
    output.push('\r');
    up(&mut output, end.row - cursor.row);
    if cursor.column > 0 {
        // Writing to a string cannot fail.
        let _ = write!(output, "\x1b[{}C", cursor.column);
    }
    output
}

fn up(output: &mut String, rows: usize) {
    if rows > 0 {
        let _ = write!(output, "\x1b[{rows}A");
    }
}

/// Returns the place after a text.
fn place(text: &str, columns: usize) -> Place {
    let mut place = Place { row: 0, column: 0 };
    for character in text.chars() {
        let width = character.width().unwrap_or(0);
        if character == '\n' || place.column + width > columns {
            place = Place { row: place.row + 1, column: 0 };
        }
        place.column += width;
        if place.column == columns {
            place = Place { row: place.row + 1, column: 0 };
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_goes_above_the_line_and_the_cursor_stays_in_it() {
        let line = Line { text: "hello".to_owned(), cursor: 2 };
        assert_eq!(above(Some(&line), "< hi\n", 80), "\r\x1b[J< hi\r\n> hello\r\x1b[4C");
        assert_eq!(above(None, "< hi\n", 80), "< hi\n");
    }

    #[test]
    fn a_line_of_several_rows_is_drawn_from_its_first_row() {
        // The rows are "> abcdefgh", "ij".
        let line = Line { text: "abcdefghij".to_owned(), cursor: 10 };
        assert_eq!(above(Some(&line), "!\n", 10), "\r\x1b[1A\x1b[J!\r\n> abcdefghij\r\x1b[2C");
        let line = Line { cursor: 1, ..line };
        assert_eq!(above(Some(&line), "!\n", 10), "\r\x1b[J!\r\n> abcdefghij\r\x1b[1A\x1b[3C");
    }

    #[test]
    fn wide_characters_and_line_feeds_count() {
        assert_eq!(place("世界", 3), Place { row: 1, column: 2 });
        assert_eq!(place("a\nb", 9), Place { row: 1, column: 1 });
        assert_eq!(place("abc", 3), Place { row: 1, column: 0 });
    }
}
