//! Filters the output for the terminals of viewers: passes whole escape sequences and characters,
//! without those that set titles or use the clipboard.
//!
//! ```text
//!            ESC            [                 final
//!  ground ────────► escape ───► csi ─────────────────► ground
//!    │ ▲              │ ] P X ^ _              BEL, ESC \
//!    │ └─ last byte   └────────► string ─────────────► ground, if it is wanted
//!    └──► character
//! ```
//!
//! Output is cut only where a new viewer can begin: after the screen, which holds everything
//! before, follows what is sent to all.
//!
//! Terminals skip some bytes within a sequence (DEL, what is no UTF-8) and execute others (controls),
//! each in its own way. So that a viewer finds no other sequence than the filter, none of them is
//! within what is passed: controls go before the sequence, and other such bytes end it.

/// Maximum length of a control sequence, in bytes; a longer one is dropped. xterm.js takes 32
/// parameters.
const MAX_SEQUENCE: usize = 256;

/// Maximum length of a control string, in bytes; a longer one is dropped. Enough for a link of the
/// length that browsers take.
const MAX_STRING: usize = 8 * 1024;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
/// Abort a sequence.
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const DEL: u8 = 0x7f;

/// The sequences that reach viewers besides harmless ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowed {
    pub(super) title: bool,
    pub(super) clipboard: bool,
}

/// Filters the output of a process.
#[derive(Debug)]
pub(super) struct Filter {
    allowed: Allowed,
    state: State,
    /// The beginning of what is incomplete.
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ground,
    /// A character of which this many bytes are missing.
    Character(u8),
    Escape,
    Csi,
    /// A control string, after ESC and the byte of its kind.
    String,
    /// The rest of a control string or sequence that is too long.
    Skipped(Skipped),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skipped {
    Csi,
    String,
}

impl Filter {
    pub(super) fn new(allowed: Allowed) -> Self {
        Self { allowed, state: State::Ground, held: Vec::new() }
    }

    /// Returns the output that is complete with these bytes.
    pub(super) fn process(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut output = Vec::with_capacity(self.held.len() + bytes.len());
        for &byte in bytes {
            self.take(byte, &mut output);
        }
        output
    }

    fn take(&mut self, byte: u8, output: &mut Vec<u8>) {
        match self.state {
            State::Ground => self.begin(byte, output),
            State::Character(missing) => self.continue_character(byte, missing, output),
            State::Escape => self.continue_escape(byte, output),
            State::Csi => self.continue_csi(byte, output),
            State::String => self.continue_string(byte, output),
            State::Skipped(kind) => self.skip(byte, kind, output),
        }
    }

    fn begin(&mut self, byte: u8, output: &mut Vec<u8>) {
        self.state = match byte {
            ESC => State::Escape,
            0xc2..=0xdf => State::Character(1),
            0xe0..=0xef => State::Character(2),
            0xf0..=0xf4 => State::Character(3),
            _ => return output.push(byte),
        };
        self.held.push(byte);
    }

    fn continue_character(&mut self, byte: u8, missing: u8, output: &mut Vec<u8>) {
        if byte & 0xc0 != 0x80 {
            // Viewers replace what is no character.
            self.emit(output);
            return self.begin(byte, output);
        }
        // The controls from U+0080 to U+009F stand for ESC and a character (ECMA-48, 5.3).
        if self.held == [0xc2] && byte < 0xa0 {
            self.held.clear();
            self.held.push(ESC);
            self.state = State::Escape;
            return self.continue_escape(byte - 0x40, output);
        }
        self.held.push(byte);
        if missing == 1 {
            self.emit(output);
        } else {
            self.state = State::Character(missing - 1);
        }
    }

    fn continue_escape(&mut self, byte: u8, output: &mut Vec<u8>) {
        let is_first = self.held.len() == 1;
        match byte {
            b'[' if is_first => self.hold(byte, State::Csi),
            b']' | b'P' | b'X' | b'^' | b'_' if is_first => self.hold(byte, State::String),
            // The end of a string that has ended already.
            b'\\' if is_first => self.drop_held(),
            // An intermediate byte.
            0x20..=0x2f if self.held.len() < MAX_SEQUENCE => self.hold(byte, State::Escape),
            0x20..=0x7e => {
                self.held.push(byte);
                self.emit(output);
            }
            _ => self.interrupt(byte, output),
        }
    }

    fn continue_csi(&mut self, byte: u8, output: &mut Vec<u8>) {
        match byte {
            0x40..=0x7e => {
                self.held.push(byte);
                self.emit(output);
            }
            0x20..=0x3f if self.held.len() >= MAX_SEQUENCE => {
                self.held.clear();
                self.state = State::Skipped(Skipped::Csi);
            }
            0x20..=0x3f => self.held.push(byte),
            _ => self.interrupt(byte, output),
        }
    }

    /// Handles a byte within a sequence that does not belong to it.
    fn interrupt(&mut self, byte: u8, output: &mut Vec<u8>) {
        match byte {
            CAN | SUB => self.drop_held(),
            ESC | 0x80.. => {
                self.drop_held();
                self.begin(byte, output);
            }
            DEL => {}
            control => output.push(control),
        }
    }

    fn continue_string(&mut self, byte: u8, output: &mut Vec<u8>) {
        match byte {
            BEL => self.end_string(output),
            // Also the beginning of the next sequence, if no backslash follows.
            ESC => {
                self.end_string(output);
                self.begin(ESC, output);
            }
            CAN | SUB => self.drop_held(),
            // U+009C ends a string as well.
            0x9c if self.held.last() == Some(&0xc2) => {
                self.held.pop();
                self.end_string(output);
            }
            _ if self.held.len() >= MAX_STRING => {
                self.held.clear();
                self.state = State::Skipped(Skipped::String);
            }
            // Commands ignore them.
            ..0x20 | DEL if self.held[1] == b']' => {}
            _ => self.held.push(byte),
        }
    }

    fn skip(&mut self, byte: u8, kind: Skipped, output: &mut Vec<u8>) {
        let ends = match kind {
            Skipped::Csi => matches!(byte, CAN | SUB | 0x40..=0x7e),
            Skipped::String => matches!(byte, CAN | SUB | BEL | 0x9c),
        };
        if byte == ESC || ends {
            self.state = State::Ground;
        }
        if byte == ESC {
            self.begin(ESC, output);
        }
    }

    /// Passes the control string on, if it is wanted, with an end that every terminal knows.
    fn end_string(&mut self, output: &mut Vec<u8>) {
        if self.is_wanted() {
            self.held.extend(b"\x1b\\");
            self.emit(output);
        } else {
            self.drop_held();
        }
    }

    fn is_wanted(&self) -> bool {
        let Ok(text) = std::str::from_utf8(&self.held) else { return false };
        if text.contains(|it| matches!(it, '\u{80}'..='\u{9f}')) {
            return false;
        }
        let Some(command) = self.held.strip_prefix(b"\x1b]") else { return true };
        let number = command.split(|byte| *byte == b';').next().unwrap_or_default();
        // Numbers may have leading zeros.
        let zeros = number.iter().take_while(|byte| **byte == b'0').count();
        match &number[zeros..] {
            b"" | b"1" | b"2" | b"l" | b"L" | b"I" => self.allowed.title,
            b"52" => self.allowed.clipboard,
            _ => true,
        }
    }

    fn hold(&mut self, byte: u8, state: State) {
        self.held.push(byte);
        self.state = state;
    }

    fn emit(&mut self, output: &mut Vec<u8>) {
        output.append(&mut self.held);
        self.state = State::Ground;
    }

    fn drop_held(&mut self) {
        self.held.clear();
        self.state = State::Ground;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(allowed: Allowed, output: &[u8]) -> String {
        let whole = Filter::new(allowed).process(output);
        // However the output is cut, the same reaches viewers, and each part is whole.
        for at in 0..=output.len() {
            let mut filter = Filter::new(allowed);
            let mut parts = filter.process(&output[..at]);
            parts.extend(filter.process(&output[at..]));
            assert_eq!(parts, whole, "cut at {at}");
        }
        String::from_utf8(whole).expect("text")
    }

    fn nothing_allowed(output: &str) -> String {
        filtered(Allowed::default(), output.as_bytes())
    }

    #[test]
    fn text_colours_and_links_pass() {
        for output in [
            "plain\r\n\ttext\u{7}",
            "wörld 世界 🐟",
            "\x1b[1;31mred\x1b[0m \x1b(B \x1b7 \x1bM \x1b[?1049h",
            "\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\",
            "\x1bP$qm\x1b\\",
        ] {
            assert_eq!(nothing_allowed(output), output);
        }
    }

    #[test]
    fn titles_and_clipboards_are_dropped_in_every_form() {
        for output in [
            "\x1b]0;title\x07",
            "\x1b]2;title\x1b\\",
            "\x1b]02;title\x07",
            "\x1b]52;c;c2VjcmV0\x07",
            "\x1b]052;c;?\x1b\\",
            "\u{9d}52;c;c2VjcmV0\u{9c}",
            "\u{9d}2;title\x07",
            "\x1b\x1b]0;title\x07",
        ] {
            assert_eq!(nothing_allowed(&format!("a{output}b")), "ab", "{output:?}");
        }
        // Terminals ignore or execute controls within a sequence, and skip what is no UTF-8.
        for byte in (0..=u8::MAX).filter(|byte| !matches!(*byte, BEL | CAN | SUB | ESC | b' '..DEL))
        {
            for sequence in [b"\x1b]0;title\x07", b"\x1b]52;c;eA\x07"] {
                for at in 1..4 {
                    let output = [&sequence[..at], &[byte], &sequence[at..]].concat();
                    let filtered = Filter::new(Allowed::default()).process(&output);
                    assert!(!filtered.contains(&ESC), "{output:?}: {filtered:?}");
                }
            }
        }
        // A control of two bytes begins a command anywhere.
        for before in ["\x1b", "\x1b[", "\x1b(", "\x1b]8;;", "\x1bPq"] {
            let output = nothing_allowed(&format!("{before}\u{9d}52;c;eA\x07"));
            assert!(!output.contains(['\x1b', '\u{9d}']), "{before:?}: {output:?}");
        }
        // A sequence that begins within the string ends it.
        assert_eq!(nothing_allowed("a\x1b]52;c;x\x1b[1mb"), "a\x1b[1mb");
    }

    #[test]
    fn what_is_allowed_passes_with_a_usual_end() {
        let allowed = Allowed { title: true, clipboard: true };
        let filtered = |output: &str| filtered(allowed, output.as_bytes());
        assert_eq!(filtered("\x1b]2;t\x07"), "\x1b]2;t\x1b\\");
        assert_eq!(filtered("\u{9d}52;c;eA==\u{9c}"), "\x1b]52;c;eA==\x1b\\");
    }

    #[test]
    fn endless_sequences_are_dropped_and_hold_little() {
        let mut filter = Filter::new(Allowed::default());
        let string = [b"\x1b]8;;".to_vec(), vec![b'x'; 3 * MAX_STRING]].concat();
        assert_eq!(filter.process(&string), b"");
        assert!(filter.held.len() <= MAX_STRING);
        assert_eq!(filter.process(b"\x07after"), b"after");
        let sequence = [b"\x1b[".to_vec(), vec![b'1'; 3 * MAX_SEQUENCE]].concat();
        assert_eq!(filter.process(&sequence), b"");
        assert_eq!(filter.process(b"mafter"), b"after");
    }

    #[test]
    fn incomplete_sequences_and_characters_wait() {
        let mut filter = Filter::new(Allowed::default());
        assert_eq!(filter.process("a\u{4e16}".as_bytes().split_last().expect("bytes").1), b"a");
        assert_eq!(filter.process(&[0x96]), "世".as_bytes());
        assert_eq!(filter.process(b"\x1b[3"), b"");
        assert_eq!(filter.process(b"1mred"), b"\x1b[31mred");
        // An invalid character does not swallow what follows.
        assert_eq!(filter.process(b"\xe4x"), b"\xe4x");
    }
}
