//! The layout of JSON text.

use std::fmt::Write as _;

use sockeye::escape;

/// Returns valid JSON in another layout: indented by two spaces a level, or in one line.
///
/// Numbers and strings stay as they are written, except for characters that would control a
/// terminal or reorder the text around them: these become escapes of JSON, so that the values are
/// the same.
pub(super) fn lay_out(json: &str, is_indented: bool) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut rest = json.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' { string_length(rest) } else { first.len_utf8() };
        let (token, tail) = rest.split_at(length);
        rest = tail.trim_start();
        match first {
            '"' => push_string(token, &mut out),
            '{' | '[' => {
                out.push(first);
                depth += 1;
                if !rest.starts_with(['}', ']']) {
                    break_line(depth, is_indented, &mut out);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !out.ends_with(['{', '[']) {
                    break_line(depth, is_indented, &mut out);
                }
                out.push(first);
            }
            ',' => {
                out.push(',');
                break_line(depth, is_indented, &mut out);
            }
            ':' => out.push_str(if is_indented { ": " } else { ":" }),
            _ => out.push_str(token),
        }
    }
    out
}

fn break_line(depth: usize, is_indented: bool, out: &mut String) {
    if is_indented {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    }
}

/// Returns the length of the string that the text begins with, in bytes.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (place, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

fn push_string(token: &str, out: &mut String) {
    if escape(token).to_string() == token {
        out.push_str(token);
        return;
    }
    let mut buffer = [0; 4];
    for character in token.chars() {
        let text: &str = character.encode_utf8(&mut buffer);
        if escape(text).to_string() == text {
            out.push(character);
        } else {
            // All of them are in the first plane.
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_indented_or_in_one_line() {
        let json = r#" { "a" :[1 ,{ } ,[ ]], "b\"}": "x, y" , "c":{"d":-1e5} } "#;
        let indented = r#"{
  "a": [
    1,
    {},
    []
  ],
  "b\"}": "x, y",
  "c": {
    "d": -1e5
  }
}"#;
        assert_eq!(lay_out(json, true), indented);
        let line = r#"{"a":[1,{},[]],"b\"}":"x, y","c":{"d":-1e5}}"#;
        assert_eq!(lay_out(json, false), line);
        assert_eq!(lay_out(indented, false), line);
        for scalar in ["null", "\"\\\\\"", "12"] {
            assert_eq!(lay_out(scalar, true), scalar);
        }
    }

    #[test]
    fn characters_that_control_a_terminal_become_escapes_of_json() {
        let json = "{\"a\u{9b}\":\"\u{7f}\u{202e}grüße 🐟\"}";
        let line = lay_out(json, false);
        assert_eq!(line, r#"{"a\u009b":"\u007f\u202egrüße 🐟"}"#);
        let values = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(values(&line), values(json));
    }
}
