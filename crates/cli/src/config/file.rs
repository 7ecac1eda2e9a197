//! The file of `--config`: TOML whose keys are flags.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, anyhow};
use clap::{Arg, Command};
use toml::{Spanned, Value};

/// A key of the file.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) values: Vec<String>,
    /// The name of the file, the line and the column, for messages.
    pub(super) place: String,
}

/// Reads a file of a command of `program`, and returns its keys. Keys that cannot be used are added
/// to the `mistakes`.
///
/// # Errors
/// The file cannot be read, or is not TOML.
pub(super) fn read(
    file: &Path,
    flags: &[&Arg],
    program: &Command,
    mistakes: &mut Vec<anyhow::Error>,
) -> anyhow::Result<BTreeMap<String, Key>> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let place_of = |offset| {
        let (line, column) = place(&text, offset);
        format!("{name}: line {line}, column {column}")
    };
    let table: BTreeMap<Spanned<String>, Spanned<Value>> =
        toml::from_str(&text).map_err(|error| match error.span() {
            Some(span) => anyhow!("{}: {}", place_of(span.start), error.message()),
            None => anyhow!("{name}: {}", error.message()),
        })?;
    let mut entries: Vec<_> = table.into_iter().collect();
    // Mistakes are reported in the order of the file.
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut keys = BTreeMap::new();
    for (key, value) in entries {
        let place = place_of(key.span().start);
        let key = key.into_inner();
        if !flags.iter().any(|flag| flag.get_long() == Some(&key)) {
            mistakes.push(unknown(&place, &key, value.get_ref(), flags, program));
            continue;
        }
        match values(value.get_ref()) {
            Some(values) => {
                keys.insert(key, Key { values, place });
            }
            None => mistakes.push(anyhow!(
                "{place}: {key}: expected a text, a number, true, false, or a list of them"
            )),
        }
    }
    Ok(keys)
}

/// Returns the mistake of a key that no flag of the command has.
fn unknown(
    place: &str,
    key: &str,
    value: &Value,
    flags: &[&Arg],
    program: &Command,
) -> anyhow::Error {
    let place = format!("{place}: there is no key {key:?}");
    if matches!(value, Value::Table(_)) {
        return anyhow!("{place}: the settings of a command are not in a table");
    }
    let has_key = |command| super::flags(command).any(|flag| flag.get_long() == Some(key));
    let others = super::commands_with_settings(program).into_iter();
    let others: Vec<_> =
        others.filter(|(_, command)| has_key(command)).map(|(name, _)| name).collect();
    if !others.is_empty() {
        return anyhow!("{place} for this command, only for {}", others.join(", "));
    }
    let mut known: Vec<_> = flags.iter().filter_map(|flag| flag.get_long()).collect();
    if let Some(nearest) = nearest(key, &known) {
        return anyhow!("{place}; did you mean {nearest}?");
    }
    known.sort_unstable();
    anyhow!("{place}; the keys are {}", known.join(", "))
}

/// Returns the key that the operator has most likely meant, if one is near enough.
fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let key = key.replace('_', "-").to_ascii_lowercase();
    let distances = known.iter().map(|known| (strsim::damerau_levenshtein(&key, known), *known));
    let (distance, nearest) = distances.min_by_key(|(distance, _)| *distance)?;
    // Chosen: two mistakes in a short name, and more in a long one.
    (distance <= (key.len() / 4).max(2)).then_some(nearest)
}

/// Returns the line and the column of an offset, both from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn values(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(values) => values.iter().map(scalar).collect(),
        value => scalar(value).map(|value| vec![value]),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(boolean) => Some(boolean.to_string()),
        Value::Array(_) | Value::Table(_) | Value::Datetime(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        let text = "a = 1\ngrüße = 2\n";
        assert_eq!(place(text, 0), (1, 1));
        assert_eq!(place(text, text.find('=').unwrap()), (1, 3));
        assert_eq!(place(text, text.rfind('=').unwrap()), (2, 7));
        assert_eq!(place(text, text.len()), (3, 1));
        assert_eq!(place(text, 1000), (3, 1));
    }

    #[test]
    fn a_misspelt_key_has_a_suggestion() {
        let known = ["listen", "max-message", "tls-cert", "tls-key"];
        assert_eq!(nearest("max-mesage", &known), Some("max-message"));
        assert_eq!(nearest("tls_cert", &known), Some("tls-cert"));
        assert_eq!(nearest("Listen", &known), Some("listen"));
        assert_eq!(nearest("hosting", &known), None);
    }
}
