//! Conditions on messages, of `--expect` and of scripts.

use std::cmp::Ordering;

use regex::bytes::Regex;
use serde_json::Value;
use serde_json_path::JsonPath;
use sockeye::{Kind, MessageRef};

const EXPECTED: &str = "expected == TEXT, contains TEXT, matches REGEX, text, binary, \
    $PATH [==|!=|<|<=|>|>= JSON], $PATH contains TEXT or $PATH matches REGEX, with spaces around \
    the operator, or one of these after not";

/// A condition on a message.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Not(Box<Self>),
    Is(Kind),
    Equals(String),
    Matches(Regex),
    /// At least one of the nodes that the path selects passes the test.
    Json(JsonPath, NodeTest),
}

/// A test of a node of a JSON text.
#[derive(Clone, Debug)]
pub(super) enum NodeTest {
    Exists,
    Compare(Operator, Value),
    Matches(Regex),
}

/// A comparison of two values of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A part of a message that a script keeps.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    Whole,
    /// The first group, or the match if there is none.
    Match(Regex),
    /// The first node: the content of a string, the JSON text of others.
    Node(JsonPath),
}

impl Condition {
    /// Parses the value of `--expect`: a condition on JSON, or a regular expression. Nothing
    /// matches a regular expression that begins as a JSON path does.
    pub(super) fn parse_flag(text: &str) -> Result<Self, String> {
        if text.starts_with("$.") || text.starts_with("$[") {
            Self::parse(text)
        } else {
            regex(text).map(Self::Matches)
        }
    }

    /// Parses a condition of a script.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('$') {
            return Self::parse_json(text);
        }
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        match (name, rest) {
            ("not", rest) if !rest.is_empty() => Ok(Self::Not(Box::new(Self::parse(rest)?))),
            ("text", "") => Ok(Self::Is(Kind::Text)),
            ("binary", "") => Ok(Self::Is(Kind::Binary)),
            ("==", rest) => Ok(Self::Equals(rest.to_owned())),
            ("contains", rest) => regex(&regex::escape(rest)).map(Self::Matches),
            ("matches", rest) => regex(rest).map(Self::Matches),
            _ => Err(EXPECTED.to_owned()),
        }
    }

    /// Parses a path with an optional test. Operators also occur in the filters of a path: the
    /// operator of the test is the first one that follows a whole path.
    fn parse_json(text: &str) -> Result<Self, String> {
        for (place, _) in text.match_indices(' ') {
            let rest = &text[place + 1..];
            let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
            let operator = Operator::parse(name);
            if operator.is_none() && !matches!(name, "contains" | "matches") {
                continue;
            }
            let Ok(path) = JsonPath::parse(&text[..place]) else { continue };
            let node_test = match operator {
                Some(operator) => NodeTest::Compare(operator, json(value)?),
                None if name == "contains" => NodeTest::Matches(regex(&regex::escape(value))?),
                None => NodeTest::Matches(regex(value)?),
            };
            return Ok(Self::Json(path, node_test));
        }
        let path = JsonPath::parse(text);
        path.map(|path| Self::Json(path, NodeTest::Exists))
            .map_err(|error| wrong_path(text, &error))
    }

    /// Returns whether the condition holds for a message.
    pub(super) fn holds(&self, message: MessageRef<'_>) -> bool {
        let payload = message.as_bytes();
        match self {
            Self::Not(condition) => !condition.holds(message),
            Self::Is(kind) => message.kind() == *kind,
            Self::Equals(text) => payload == text.as_bytes(),
            Self::Matches(regex) => regex.is_match(payload),
            Self::Json(path, test) => serde_json::from_slice(payload)
                .is_ok_and(|value| path.query(&value).iter().any(|node| test.holds(node))),
        }
    }
}

impl NodeTest {
    fn holds(&self, node: &Value) -> bool {
        match self {
            Self::Exists => true,
            Self::Compare(operator, value) => operator.holds(node, value),
            Self::Matches(regex) => regex.is_match(shown(node).as_bytes()),
        }
    }
}

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds(self, a: &Value, b: &Value) -> bool {
        let order = match (a, b) {
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (Value::Number(a), Value::Number(b)) => {
                a.as_f64().zip(b.as_f64()).and_then(|(a, b)| a.partial_cmp(&b))
            }
            _ => None,
        };
        let is_equal = a == b || order == Some(Ordering::Equal);
        match self {
            Self::Equal => is_equal,
            Self::NotEqual => !is_equal,
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => is_equal || order == Some(Ordering::Less),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => is_equal || order == Some(Ordering::Greater),
        }
    }
}

impl Selection {
    /// Parses what a script keeps.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        match (name, rest) {
            (_, _) if text.starts_with('$') => {
                JsonPath::parse(text).map(Self::Node).map_err(|error| wrong_path(text, &error))
            }
            ("text", "") => Ok(Self::Whole),
            ("matches", rest) => regex(rest).map(Self::Match),
            _ => Err("expected $PATH, matches REGEX or text".to_owned()),
        }
    }

    /// Returns the selected part; `None` if the message has none, or has one that is no text.
    pub(super) fn of(&self, message: MessageRef<'_>) -> Option<String> {
        let payload = message.as_bytes();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        match self {
            Self::Whole => text(payload),
            Self::Match(regex) => {
                let captures = regex.captures(payload)?;
                text(captures.get(1).or_else(|| captures.get(0))?.as_bytes())
            }
            Self::Node(path) => {
                let value = serde_json::from_slice(payload).ok()?;
                path.query(&value).first().map(shown)
            }
        }
    }
}

/// Returns the content of a string, or the JSON text of another value.
fn shown(node: &Value) -> String {
    node.as_str().map_or_else(|| node.to_string(), str::to_owned)
}

fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string())
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|_| {
        format!("{text:?} is no JSON; expected a value such as \"joined\", with its quotes, or 5")
    })
}

fn wrong_path(text: &str, error: &serde_json_path::ParseError) -> String {
    format!("{text:?} is no JSON path: {error}; {EXPECTED}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"op":"joined","user":{"id":7,"name":"a == b"},"on":[1.0,2,null]}"#;

    fn holds(condition: &str) -> bool {
        Condition::parse(condition).unwrap().holds(MessageRef::Text(MESSAGE))
    }

    #[test]
    fn conditions_hold_for_what_they_say() {
        for condition in [
            r#"$.op == "joined""#,
            "$.user.id >= 7",
            "$.user.id < 7.5",
            "$.on[0] == 1",
            "$.on[*] == null",
            r#"$.user[?@ == "a == b"]"#,
            r#"$.user[?@ == "a == b"] == "a == b""#,
            "$.user.name contains == b",
            r"$.user.name matches ^a.*b$",
            r#"$.user contains "id":7"#,
            "$.op",
            "contains joined",
            r"matches \bid\W+7",
            "text",
            "not binary",
            "not $.error",
        ] {
            assert!(holds(condition), "{condition}");
        }
        for condition in
            ["$.op == \"left\"", "$.op < 5", "$.error", "== joined", "binary", "not text"]
        {
            assert!(!holds(condition), "{condition}");
        }
        let is_same = Condition::parse("== a b ").unwrap();
        assert!(is_same.holds(MessageRef::Binary(b"a b ")) && !holds("== a b "));
        assert!(!Condition::parse("$.op").unwrap().holds(MessageRef::Text("no json")));
    }

    #[test]
    fn mistakes_say_what_was_expected() {
        for (wrong, expected) in [
            ("$.op == joined", "with its quotes"),
            ("$.op==\"joined\"", "with spaces around the operator"),
            ("$.", "no JSON path"),
            ("matches (", "unclosed group"),
            ("equals a", "expected == TEXT"),
            ("not", "expected == TEXT"),
            ("text a", "expected == TEXT"),
        ] {
            let error = Condition::parse(wrong).unwrap_err();
            assert!(error.contains(expected), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_flag_is_a_regular_expression_unless_it_begins_as_a_path() {
        for (flag, is_json) in [("$.a", true), ("$[0] == 1", true), ("a$", false), ("$", false)] {
            let condition = Condition::parse_flag(flag).unwrap();
            assert_eq!(matches!(condition, Condition::Json(..)), is_json, "{flag}");
        }
    }

    #[test]
    fn a_selection_is_text() {
        for (selection, expected) in [
            ("$.op", Some("joined")),
            ("$.user.id", Some("7")),
            ("$.on", Some("[1.0,2,null]")),
            ("$.error", None),
            ("matches id.:([0-9]+)", Some("7")),
            ("matches jo.", Some("joi")),
            ("text", Some(MESSAGE)),
        ] {
            let selection = Selection::parse(selection).unwrap();
            assert_eq!(selection.of(MessageRef::Text(MESSAGE)).as_deref(), expected);
        }
        assert_eq!(Selection::Whole.of(MessageRef::Binary(b"\xff")), None);
        assert!(Selection::parse("all").is_err());
    }
}
