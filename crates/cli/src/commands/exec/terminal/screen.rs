//! The screen of a terminal, kept by the server: a new viewer gets it in place of the history.

use std::num::NonZeroU16;

use super::pty::Size;

/// The screen of a terminal.
pub(super) struct Screen {
    parser: vt100::Parser,
}

/// Switch between the two screens of a terminal, and leave their contents alone.
const SHOW_PRIMARY: &[u8] = b"\x1b[?47l";
const SHOW_ALTERNATE: &[u8] = b"\x1b[?47h";

/// Makes a viewer's terminal show the alternate screen. The terminal keeps its colours for the end
/// of that screen: those of the program on the alternate screen end with it.
const ENTER_ALTERNATE: &str = "\x1b[m\x1b[?1049h";

impl Screen {
    pub(super) fn new(size: Size) -> Self {
        let (rows, columns) = cells(size);
        Self { parser: vt100::Parser::new(rows, columns, 0) }
    }

    /// Processes output, which ends after a whole escape sequence.
    pub(super) fn process(&mut self, output: &[u8]) {
        self.parser.process(output);
    }

    pub(super) fn resize(&mut self, size: Size) {
        let (rows, columns) = cells(size);
        self.parser.set_size(rows, columns);
    }

    /// Returns output that makes a terminal, in its initial state and of this size, show the
    /// screen. While a program uses the alternate screen, the primary one is restored as well.
    pub(super) fn state(&mut self) -> String {
        if !self.parser.screen().alternate_screen() {
            return self.parser.screen().state_formatted();
        }
        self.parser.process(SHOW_PRIMARY);
        let mut state = self.parser.screen().contents_formatted();
        self.parser.process(SHOW_ALTERNATE);
        state.push_str(ENTER_ALTERNATE);
        state.push_str(&self.parser.screen().state_formatted());
        state
    }
}

fn cells(size: Size) -> (NonZeroU16, NonZeroU16) {
    let cells = |number| NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN);
    (cells(size.rows), cells(size.columns))
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("size", &self.parser.screen().size()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { columns: 20, rows: 4 };

    fn showing(output: &str) -> Screen {
        let mut screen = Screen::new(SIZE);
        screen.process(output.as_bytes());
        screen
    }

    #[test]
    fn the_state_reproduces_text_colours_cursor_and_modes() {
        let mut screen = showing("one\r\n\x1b[31mred\x1b[0m\r\n\x1b[?2004h\x1b[?1hwörld\x1b[2;3H");
        let mut copy = showing(&screen.state());
        assert_eq!(copy.state(), screen.state());
        let (copy, screen) = (copy.parser.screen(), screen.parser.screen());
        assert_eq!(copy.contents(), screen.contents());
        assert_eq!(copy.cursor_position(), (1, 2));
        assert!(copy.bracketed_paste() && copy.application_cursor());
    }

    #[test]
    fn the_primary_screen_is_restored_below_the_alternate_one() {
        let mut screen = showing("shell\r\n\x1b[?1049h\x1b[Heditor");
        let mut copy = showing(&screen.state());
        assert!(copy.parser.screen().alternate_screen());
        assert!(copy.parser.screen().contents().contains("editor"));
        copy.process(b"\x1b[?1049l");
        assert!(copy.parser.screen().contents().contains("shell"));
        screen.process(b"\x1b[?1049l");
        assert_eq!(copy.parser.screen().contents(), screen.parser.screen().contents());
    }

    #[test]
    fn colours_of_the_alternate_screen_end_with_it() {
        let mut screen = showing("shell\r\n\x1b[?1049h\x1b[H\x1b[34meditor");
        let mut copy = showing(&screen.state());
        for screen in [&mut screen, &mut copy] {
            screen.process(b"\x1b[?1049l$ ");
        }
        assert_eq!(copy.state(), screen.state());
    }

    #[test]
    fn random_output_and_sizes_cause_no_panic() {
        // A generator of Lehmer's kind; the values need not be good, only many.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 33
        };
        let words: [&[u8]; 24] = [
            b"\x1b[",
            b"\x1b",
            b";",
            b"0",
            b"1",
            b"9",
            b"65535",
            b"?",
            b"h",
            b"l",
            b"m",
            b"H",
            b"J",
            b"r",
            b"L",
            b"M",
            b"P",
            b"@",
            b"1049h",
            "世".as_bytes(),
            "e\u{301}".as_bytes(),
            b"\r\n",
            b"\t",
            b"abcdefghijklmnop",
        ];
        let mut screen = Screen::new(SIZE);
        for _ in 0..60_000 {
            let random = next();
            match random % 40 {
                0 => screen.resize(Size::within_bounds(next() % 40, next() % 12)),
                1 => drop(screen.state()),
                2 => screen.process(&[random.to_le_bytes()[1]]),
                _ => screen.process(words[usize::try_from(next() % 24).unwrap_or(0)]),
            }
        }
    }
}
