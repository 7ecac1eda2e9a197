//! The terminal that the program runs on.

use std::ffi::OsStr;
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

/// Values of `TERM` of terminals that take no escape sequences, as the line editor knows them.
const DUMB: [&str; 3] = ["dumb", "cons25", "emacs"];

/// Size of a terminal that does not tell its size.
const DEFAULT_SIZE: Size = Size { columns: 80, rows: 24 };

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// Returns whether the terminal takes escape sequences, by the variable `TERM`.
pub(crate) fn takes_escapes() -> bool {
    !is_dumb(std::env::var_os("TERM").as_deref())
}

fn is_dumb(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| DUMB.iter().any(|dumb| term.eq_ignore_ascii_case(dumb)))
}

/// Returns the size of the terminal that a stream is connected to.
pub(crate) fn size(stream: impl AsFd) -> Size {
    let size = tcgetwinsize(stream).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or(DEFAULT_SIZE, |size| Size { columns: size.ws_col.into(), rows: size.ws_row.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dumb_terminal_takes_no_escapes() {
        assert!(is_dumb(Some(OsStr::new("dumb"))));
        assert!(is_dumb(Some(OsStr::new("Emacs"))));
        assert!(!is_dumb(Some(OsStr::new("xterm-256color"))));
        // The line editor edits lines without the variable, too.
        assert!(!is_dumb(None));
    }
}
