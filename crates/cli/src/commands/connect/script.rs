//! Scripts: files with a step in each line, such as `send hello` and `expect $.op == "welcome"`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sockeye::{CloseCode, CloseFrame};

use super::condition::{Condition, Selection};
use super::placeholders;
use crate::client::Failure;
use crate::units;

pub(super) use self::execution::Execution;

mod execution;

/// The values of variables.
pub(super) type Variables = BTreeMap<String, String>;

/// A script.
#[derive(Debug)]
pub(super) struct Script {
    name: String,
    steps: Vec<Step>,
    variables: Variables,
}

/// A line of a script.
#[derive(Debug)]
struct Step {
    line: usize,
    text: String,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Send(Template),
    SendBinary(Vec<u8>),
    /// Takes the next message, on which the condition has to hold if there is one.
    Expect(Option<Template>),
    /// Skips messages up to the first one on which the condition holds.
    Await(Template),
    /// Checks the message that was taken last.
    Assert(Template),
    Capture {
        name: String,
        from: Template,
    },
    Ping,
    Sleep(Duration),
    /// Takes no message for this time.
    Silence(Duration),
    /// Sets the timeout of later steps.
    Timeout(Duration),
    Close(CloseFrame),
    /// Skips messages up to the close frame of the server, with this code if there is one.
    AwaitClose(Option<CloseCode>),
}

/// A text in which `{{NAME}}` stands for the value of a variable.
#[derive(Debug)]
struct Template(String);

impl Script {
    /// Reads a script, which may use `variables`.
    ///
    /// # Errors
    /// A usage failure that names the file and the line.
    pub(super) fn read(path: &Path, variables: &[(String, String)]) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let text = if name == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(path)
        };
        let text = text.map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(name, &text, folder, variables.iter().cloned().collect())
    }

    /// Parses the text of a script. Files that it names are looked for in `folder`.
    fn parse(
        name: String,
        text: &str,
        folder: &Path,
        variables: Variables,
    ) -> Result<Self, Failure> {
        let mut known: BTreeSet<String> = variables.keys().cloned().collect();
        let mut steps = Vec::new();
        for (index, text) in text.lines().enumerate() {
            let line = index + 1;
            // Spaces at the end may be part of a message.
            let text = text.trim_start();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let action = Action::parse(text, folder, &mut known)
                .map_err(|error| Failure::usage(format!("{name}:{line}: {error}")))?;
            steps.push(Step { line, text: text.trim_end().to_owned(), action });
        }
        Ok(Self { name, steps, variables })
    }
}

impl Action {
    fn parse(text: &str, folder: &Path, known: &mut BTreeSet<String>) -> Result<Self, String> {
        let (name, rest) = text.split_once(' ').unwrap_or((text.trim_end(), ""));
        let trimmed = rest.trim();
        let condition = |text: &str| Template::parse(text, known, Condition::parse);
        Ok(match (name, trimmed) {
            ("send", _) => Self::Send(Template::parse(rest, known, |_| Ok(()))?),
            ("send-base64", encoded) => {
                Self::SendBinary(BASE64.decode(encoded).map_err(|error| error.to_string())?)
            }
            ("send-file", file) if !file.is_empty() => {
                let bytes = std::fs::read(folder.join(file));
                Self::SendBinary(bytes.map_err(|error| format!("cannot read {file}: {error}"))?)
            }
            ("expect", "") => Self::Expect(None),
            ("expect", _) => Self::Expect(Some(condition(rest)?)),
            ("await", _) => Self::Await(condition(rest)?),
            ("assert", _) => Self::Assert(condition(rest)?),
            ("capture", _) => {
                let (variable, from) = trimmed.split_once(' ').unwrap_or((trimmed, ""));
                if !is_name(variable) {
                    return Err(format!("{variable:?} is no name; expected capture NAME FROM"));
                }
                let from = Template::parse(from, known, Selection::parse)?;
                known.insert(variable.to_owned());
                Self::Capture { name: variable.to_owned(), from }
            }
            ("ping", "") => Self::Ping,
            ("sleep", time) => Self::Sleep(units::duration(time)?),
            ("silence", time) => Self::Silence(units::duration(time)?),
            ("timeout", time) => Self::Timeout(units::duration(time)?),
            ("close", rest) => {
                let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                let code = if code.is_empty() { 1000 } else { close_code(code)? };
                let frame = CloseFrame::new(code, reason.to_owned());
                Self::Close(frame.map_err(|error| error.to_string())?)
            }
            ("await-close", "") => Self::AwaitClose(None),
            ("await-close", code) => Self::AwaitClose(Some(close_code(code)?.into())),
            _ => {
                return Err(format!(
                    "{name:?} is no step; expected send, send-base64, send-file, expect, await, \
                     assert, capture, ping, sleep, silence, timeout, close or await-close"
                ));
            }
        })
    }
}

fn close_code(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{text:?} is no close code; expected one such as 1000"))
}

impl Template {
    /// Checks that the variables of the text are known and, if it has none, that `parse` takes it.
    fn parse<T>(
        text: &str,
        known: &BTreeSet<String>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Self, String> {
        let template = Self(text.to_owned());
        let mut unknown = None;
        let filled = template.replace(|name| {
            if !known.contains(name) {
                unknown = Some(name.to_owned());
            }
            String::new()
        });
        if let Some(name) = unknown {
            return Err(format!("the variable {name} has no value; use --variable or capture"));
        }
        if filled == text {
            parse(text)?;
        }
        Ok(template)
    }

    /// Returns the text with the values of its variables.
    fn fill(&self, variables: &Variables) -> String {
        self.replace(|name| variables.get(name).cloned().unwrap_or_default())
    }

    fn replace(&self, mut value: impl FnMut(&str) -> String) -> String {
        placeholders::replace(&self.0, ["{{", "}}"], |name| {
            let name = name.trim();
            is_name(name).then(|| value(name))
        })
    }
}

/// Returns whether a text is a name of variables: a letter or `_`, then also digits and `-`.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Script, Failure> {
        let variables = [("room".to_owned(), "fish".to_owned())].into();
        Script::parse("a.ws".to_owned(), text, Path::new(""), variables)
    }

    #[test]
    fn a_script_has_a_step_in_each_line() {
        let script = parse(
            "# a comment\n\nsend {\"op\":\"join\",\"room\":\"{{room}}\"} \n  expect\n\
             await $.op == \"joined\"\nassert not contains error\ncapture id $.id\nsend {{ id }}\n\
             send-base64 AP8=\nping\nsleep 1s\nsilence 50ms\ntimeout 2s\nclose 4000 a b\n\
             await-close 4000\n",
        )
        .unwrap();
        let lines: Vec<_> = script.steps.iter().map(|step| step.line).collect();
        assert_eq!(lines, (3..=15).collect::<Vec<_>>());
        let Action::Send(template) = &script.steps[0].action else { panic!("{script:?}") };
        let sent = template.fill(&script.variables);
        assert_eq!(sent, "{\"op\":\"join\",\"room\":\"fish\"} ");
        assert!(matches!(&script.steps[11].action, Action::Close(frame)
            if frame.reason.as_str() == "a b"));
    }

    #[test]
    fn mistakes_name_their_line() {
        for (wrong, expected) in [
            ("dance", "is no step; expected send,"),
            ("send {{other}}", "the variable other has no value"),
            ("send {{id}}\ncapture id text", "the variable id has no value"),
            ("capture 1 text", "is no name"),
            ("capture a all", "expected $PATH,"),
            ("expect $.a == b", "with its quotes"),
            ("await", "expected == TEXT"),
            ("send-base64 ?", "nvalid"),
            ("send-file no/such/file", "cannot read no/such/file"),
            ("sleep 5", "expected a number with its unit"),
            ("close 1005", "1005"),
            ("close soon", "is no close code"),
            ("ping now", "is no step"),
        ] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.starts_with("a.ws:1: ") && error.contains(expected), "{wrong}: {error}");
        }
    }

    #[test]
    fn braces_without_a_name_are_text() {
        for text in ["{{", "}}", "{{}}", "{{a b}}", "{{100, 150}, {200}}", "{\"a\":{\"b\":{}}}"] {
            assert_eq!(Template(text.to_owned()).fill(&Variables::new()), text);
        }
    }
}
