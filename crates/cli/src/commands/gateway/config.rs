//! Settings from the command line, the environment and a file, in this order of precedence.
//!
//! Flags are the only definition of a setting: a variable of the environment or a key of the file
//! is put into the command line as the flag of the same name, unless the command line has that flag
//! already.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::{Spanned, Value};

/// The name of the command, which has these settings.
const COMMAND: &str = "gateway";

/// The flag that names the file.
const CONFIG: &str = "config";

/// The reason why settings cannot be used.
#[derive(Debug)]
pub(crate) enum ParseError {
    /// A mistake on the command line, or the request for help.
    Line(clap::Error),
    /// A mistake in the file or in the environment.
    Setting(anyhow::Error),
}

impl From<clap::Error> for ParseError {
    fn from(error: clap::Error) -> Self {
        Self::Line(error)
    }
}

impl ParseError {
    /// Returns the error for a log.
    pub(crate) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Line(error) => anyhow!(explanation(&error)),
            Self::Setting(error) => error,
        }
    }
}

/// A setting of the environment or of the file.
struct Setting {
    flag: String,
    /// The flag and its values, as on a command line.
    line: Vec<OsString>,
    /// The variable, or the place in the file, for messages.
    place: String,
}

/// Parses a command line of `A`, with the settings of the environment and of the file if the command
/// is `gateway`.
///
/// # Errors
/// A mistake in one of them.
pub(crate) fn parse<A: CommandFactory + FromArgMatches>(
    line: &[OsString],
) -> Result<A, ParseError> {
    // Mistakes are reported once all settings are known: flags that require each other may come
    // from different places.
    let given = A::command().ignore_errors(true).try_get_matches_from(line)?;
    let mut line = line.to_vec();
    if let Some((COMMAND, given)) = given.subcommand() {
        let settings = settings(given, &A::command()).map_err(ParseError::Setting)?;
        let place = line.iter().position(|word| word == COMMAND).map_or(line.len(), |at| at + 1);
        line.splice(place..place, settings.into_iter().flat_map(|setting| setting.line));
    }
    let matches = A::command().try_get_matches_from(line)?;
    Ok(A::from_arg_matches(&matches)?)
}

/// Returns the settings that the command line does not have.
fn settings(given: &ArgMatches, command: &Command) -> anyhow::Result<Vec<Setting>> {
    let gateway = command.find_subcommand(COMMAND).context("there is no such command")?;
    let flags: Vec<&Arg> = gateway
        .get_arguments()
        .filter(|arg| arg.get_long().is_some_and(|long| long != CONFIG) && !arg.is_hide_set())
        .collect();
    let file = match given.get_one::<PathBuf>(CONFIG) {
        Some(file) => Some(file.clone()),
        None => variable(CONFIG)?.map(PathBuf::from),
    };
    let mut keys = match file {
        Some(file) => read(&file, &flags)?,
        None => BTreeMap::new(),
    };
    let mut settings = Vec::new();
    for flag in flags {
        let Some(long) = flag.get_long() else { continue };
        let key = keys.remove(long);
        if given.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        let found = match variable(long)? {
            Some(text) => Some((words(flag, &text), variable_name(long))),
            None => key,
        };
        let Some((values, place)) = found else { continue };
        let line = as_line(flag, long, values)
            .map_err(|expected| anyhow!("{place}: {long}: expected {expected}"))?;
        let setting = Setting { flag: long.to_owned(), line, place };
        check(&setting, command)?;
        settings.push(setting);
    }
    Ok(settings)
}

/// Returns the name of a flag's variable: `SOCKEYE_MAX_MESSAGE` for `max-message`.
fn variable_name(long: &str) -> String {
    format!("SOCKEYE_{}", long.to_ascii_uppercase().replace('-', "_"))
}

/// Returns the value of a flag's variable, unless it is unset or empty.
fn variable(long: &str) -> anyhow::Result<Option<String>> {
    let name = variable_name(long);
    let Some(text) = std::env::var_os(&name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let text = text.into_string().map_err(|_| anyhow!("{name}: expected UTF-8"))?;
    Ok(Some(text))
}

/// Returns the values in a variable: several words for a flag that may be repeated.
fn words(flag: &Arg, text: &str) -> Vec<String> {
    match flag.get_action() {
        ArgAction::Append => text.split_whitespace().map(str::to_owned).collect(),
        _ => vec![text.to_owned()],
    }
}

/// Reads the file. Returns the values of each key, and its place.
fn read(file: &Path, flags: &[&Arg]) -> anyhow::Result<BTreeMap<String, (Vec<String>, String)>> {
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
    let mut keys = BTreeMap::new();
    for (key, value) in table {
        let place = place_of(key.span().start);
        let key = key.into_inner();
        if !flags.iter().any(|flag| flag.get_long() == Some(&key)) {
            let mut known: Vec<_> = flags.iter().filter_map(|flag| flag.get_long()).collect();
            known.sort_unstable();
            return Err(anyhow!(
                "{place}: there is no key {key:?}; the keys are {}",
                known.join(", ")
            ));
        }
        let values = values(value.get_ref()).ok_or_else(|| {
            anyhow!("{place}: {key}: expected a text, a number, true, false, or a list of them")
        })?;
        keys.insert(key, (values, place));
    }
    Ok(keys)
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

/// Returns a flag with its values as on a command line.
///
/// # Errors
/// The description of the values that the flag takes.
fn as_line(flag: &Arg, long: &str, values: Vec<String>) -> Result<Vec<OsString>, &'static str> {
    let with_value = |value: String| OsString::from(format!("--{long}={value}"));
    match (flag.get_action(), values.as_slice()) {
        (ArgAction::SetTrue, [value]) if value == "true" => Ok(vec![format!("--{long}").into()]),
        (ArgAction::SetTrue, [value]) if value == "false" => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => Err("true or false"),
        (ArgAction::Append, _) | (_, [_]) => Ok(values.into_iter().map(with_value).collect()),
        _ => Err("one value"),
    }
}

/// Checks the values of a setting alone, so that a mistake is reported with its place.
fn check(setting: &Setting, command: &Command) -> anyhow::Result<()> {
    let line = ["sockeye", COMMAND].map(OsString::from).into_iter();
    let checked = command.clone().try_get_matches_from(line.chain(setting.line.clone()));
    match checked {
        Err(error)
            if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) =>
        {
            Err(anyhow!("{}: {}: {}", setting.place, setting.flag, explanation(&error)))
        }
        // Other flags may be required.
        _ => Ok(()),
    }
}

/// Returns the first paragraph of an error, on one line.
fn explanation(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let first = text.split("\n\n").next().unwrap_or_default();
    first.lines().map(str::trim).collect::<Vec<_>>().join(" ")
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
    fn a_variable_is_named_after_its_flag() {
        assert_eq!(variable_name("max-message"), "SOCKEYE_MAX_MESSAGE");
    }
}
