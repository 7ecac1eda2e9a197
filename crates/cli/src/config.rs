//! Settings from the command line, the environment and a file, in this order of precedence, for
//! each command with the flag `--config`.
//!
//! Flags are the only definition of a setting: a variable of the environment or a key of the file
//! is put into the command line as the flag of the same name, unless the command line has that flag
//! already.

mod file;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use self::file::Key;

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

/// A command line, with the settings of the environment and of the file of its command.
pub(crate) struct Merged {
    pub(crate) line: Vec<OsString>,
    /// The names of the command and of the commands within it, such as `tunnel` and `serve`.
    pub(crate) path: Vec<String>,
    /// The place of each setting that is not from the command line, by its flag.
    pub(crate) places: BTreeMap<String, String>,
    /// The mistakes in the environment and in the file.
    pub(crate) mistakes: Vec<anyhow::Error>,
    needs: Vec<Need>,
}

impl Merged {
    /// Returns the settings that need flags, if `error` is that these are missing.
    pub(crate) fn explain(&self, error: &clap::Error) -> Option<String> {
        let missing = missing_arguments(error);
        let explained = missing.iter().map(|argument| {
            let need = self.needs.iter().find(|need| need.arguments.contains(argument))?;
            Some(format!("{} needs {argument}", need.setting))
        });
        let explained = explained.collect::<Option<Vec<_>>>()?;
        (!explained.is_empty()).then(|| explained.join("\n"))
    }
}

/// A setting that needs further flags.
struct Need {
    /// The place and the name of the setting.
    setting: String,
    /// The flags, as in an error.
    arguments: Vec<String>,
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
/// has the flag `--config`.
///
/// # Errors
/// The first mistake in one of them.
pub(crate) fn parse<A: CommandFactory + FromArgMatches>(
    line: &[OsString],
) -> Result<A, ParseError> {
    let mut merged = merge(line, &A::command())?;
    if !merged.mistakes.is_empty() {
        return Err(ParseError::Setting(merged.mistakes.remove(0)));
    }
    let matches = A::command().try_get_matches_from(&merged.line).map_err(|error| match merged
        .explain(&error)
    {
        Some(explanation) => ParseError::Setting(anyhow!(explanation)),
        None => ParseError::Line(error),
    })?;
    Ok(A::from_arg_matches(&matches)?)
}

/// Puts the settings of the environment and of the file into a command line of `program`.
///
/// # Errors
/// The request for help. Mistakes on the command line are found when the result is parsed: flags
/// that require each other may come from different places.
pub(crate) fn merge(line: &[OsString], program: &Command) -> Result<Merged, clap::Error> {
    let given = program.clone().ignore_errors(true).try_get_matches_from(line)?;
    let mut given = &given;
    let mut path = Vec::new();
    while let Some((name, inner)) = given.subcommand() {
        path.push(name.to_owned());
        given = inner;
    }
    let mut merged = Merged {
        line: line.to_vec(),
        path,
        places: BTreeMap::new(),
        mistakes: Vec::new(),
        needs: Vec::new(),
    };
    let mut built = program.clone();
    // Global flags become flags of each command.
    built.build();
    let Some(command) = find(&built, &merged.path) else { return Ok(merged) };
    if !command.get_arguments().any(|arg| arg.get_long() == Some(CONFIG)) {
        return Ok(merged);
    }
    let settings = settings(given, command, program, &mut merged);
    let place = place_after(line, &merged.path);
    let words = settings.into_iter().flat_map(|setting| {
        merged.places.insert(setting.flag, setting.place);
        setting.line
    });
    merged.line.splice(place..place, words.collect::<Vec<_>>());
    Ok(merged)
}

/// Returns the command of a path, such as `tunnel` and `serve`.
pub(crate) fn find<'c>(program: &'c Command, path: &[String]) -> Option<&'c Command> {
    path.iter().try_fold(program, |command, name| command.find_subcommand(name))
}

/// Returns the commands that have settings, each with its name after those of the commands around
/// it.
pub(crate) fn commands_with_settings(program: &Command) -> Vec<(String, &Command)> {
    let mut found = Vec::new();
    for command in program.get_subcommands() {
        if command.get_arguments().any(|arg| arg.get_long() == Some(CONFIG)) {
            found.push((command.get_name().to_owned(), command));
        }
        let inner = commands_with_settings(command).into_iter();
        found.extend(inner.map(|(name, inner)| (format!("{} {name}", command.get_name()), inner)));
    }
    found
}

/// Returns the flags of a command that are settings, including the global ones.
pub(crate) fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| {
        let takes_value = matches!(
            arg.get_action(),
            ArgAction::Set
                | ArgAction::Append
                | ArgAction::SetTrue
                | ArgAction::SetFalse
                | ArgAction::Count
        );
        takes_value && !arg.is_hide_set() && arg.get_long().is_some_and(|long| long != CONFIG)
    })
}

/// Returns the place in a command line after the last name of a path.
fn place_after(line: &[OsString], path: &[String]) -> usize {
    // The first word is the program.
    let begin = 1.min(line.len());
    path.iter().fold(begin, |place, name| {
        let found = line.iter().skip(place).position(|word| *word == *name.as_str());
        found.map_or(place, |at| place + at + 1)
    })
}

/// Returns the settings that the command line does not have.
fn settings(
    given: &ArgMatches,
    command: &Command,
    program: &Command,
    merged: &mut Merged,
) -> Vec<Setting> {
    let Merged { path, mistakes, needs, .. } = merged;
    let flags: Vec<&Arg> = flags(command).collect();
    let mut keys = BTreeMap::new();
    let read = config_file(given).and_then(|file| match file {
        Some(file) => file::read(&file, &flags, program, mistakes),
        None => Ok(BTreeMap::new()),
    });
    match read {
        Ok(read) => keys = read,
        Err(mistake) => mistakes.push(mistake),
    }
    let mut settings = Vec::new();
    for flag in flags {
        let Some(long) = flag.get_long() else { continue };
        let key = keys.remove(long);
        if given.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        match setting(flag, long, key).and_then(|setting| {
            setting.map(|setting| check(setting, program, path, needs)).transpose()
        }) {
            Ok(setting) => settings.extend(setting),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    settings
}

/// Returns the file that the command line or the environment names.
fn config_file(given: &ArgMatches) -> anyhow::Result<Option<PathBuf>> {
    match given.get_one::<PathBuf>(CONFIG) {
        Some(file) => Ok(Some(file.clone())),
        None => Ok(variable(CONFIG)?.map(PathBuf::from)),
    }
}

/// Returns the setting of a flag in the environment, or else in the file.
fn setting(flag: &Arg, long: &str, key: Option<Key>) -> anyhow::Result<Option<Setting>> {
    let found = match variable(long)? {
        Some(text) => Some(Key { values: words(flag, &text), place: variable_name(long) }),
        None => key,
    };
    let Some(Key { values, place }) = found else { return Ok(None) };
    let line = as_line(flag, long, values)
        .map_err(|expected| anyhow!("{place}: {long}: expected {expected}"))?;
    Ok(Some(Setting { flag: long.to_owned(), line, place }))
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

/// The number of times that a flag may be counted: the log has fewer levels.
const MAX_COUNT: usize = 10;

/// Returns a flag with its values as on a command line.
///
/// # Errors
/// The description of the values that the flag takes.
fn as_line(flag: &Arg, long: &str, values: Vec<String>) -> Result<Vec<OsString>, &'static str> {
    let with_value = |value: String| OsString::from(format!("--{long}={value}"));
    let alone = || OsString::from(format!("--{long}"));
    match (flag.get_action(), values.as_slice()) {
        (ArgAction::SetTrue | ArgAction::SetFalse, [value]) if value == "true" => Ok(vec![alone()]),
        (ArgAction::SetTrue | ArgAction::SetFalse, [value]) if value == "false" => Ok(Vec::new()),
        (ArgAction::SetTrue | ArgAction::SetFalse, _) => Err("true or false"),
        (ArgAction::Count, [value]) => match value.parse() {
            Ok(count @ 0..=MAX_COUNT) => Ok((0..count).map(|_| alone()).collect()),
            _ => Err("a number from 0 to 10"),
        },
        (ArgAction::Append, _) | (_, [_]) => Ok(values.into_iter().map(with_value).collect()),
        _ => Err("one value"),
    }
}

/// Checks the values of a setting alone, so that a mistake is reported with its place.
/// Adds the flags that the setting needs to `needs`.
fn check(
    setting: Setting,
    program: &Command,
    path: &[String],
    needs: &mut Vec<Need>,
) -> anyhow::Result<Setting> {
    let line = std::iter::once("sockeye".to_owned()).chain(path.iter().cloned());
    let line = line.map(OsString::from).chain(setting.line.iter().cloned());
    match program.clone().try_get_matches_from(line) {
        Err(error)
            if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) =>
        {
            Err(anyhow!("{}: {}: {}", setting.place, setting.flag, explanation(&error)))
        }
        Err(error) => {
            let arguments = missing_arguments(&error);
            needs.push(Need { setting: format!("{}: {}", setting.place, setting.flag), arguments });
            Ok(setting)
        }
        Ok(_) => Ok(setting),
    }
}

/// Returns the flags of an error that flags are missing.
fn missing_arguments(error: &clap::Error) -> Vec<String> {
    let is_missing = error.kind() == ErrorKind::MissingRequiredArgument;
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(missing)) if is_missing => {
            missing.iter().filter(|argument| argument.starts_with("--")).cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the first paragraph of an error, on one line.
pub(crate) fn explanation(error: &clap::Error) -> String {
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
    fn a_variable_is_named_after_its_flag() {
        assert_eq!(variable_name("max-message"), "SOCKEYE_MAX_MESSAGE");
    }

    #[test]
    fn settings_follow_the_names_of_their_command() {
        let place = |line: &[&str], path: &[&str]| {
            let line: Vec<_> = line.iter().map(OsString::from).collect();
            let path: Vec<_> = path.iter().map(ToString::to_string).collect();
            place_after(&line, &path)
        };
        assert_eq!(place(&["serve", "-v", "serve", "--metrics"], &["serve"]), 3);
        assert_eq!(place(&["sockeye", "tunnel", "serve", "x"], &["tunnel", "serve"]), 3);
        assert_eq!(place(&[], &["serve"]), 0);
    }

    #[test]
    fn a_flag_is_counted_as_often_as_its_setting_says() {
        let flag = Arg::new("verbose").long("verbose").action(ArgAction::Count);
        let line = |value: &str| as_line(&flag, "verbose", vec![value.to_owned()]);
        assert_eq!(line("2").unwrap(), ["--verbose", "--verbose"]);
        assert_eq!(line("0").unwrap(), Vec::<OsString>::new());
        assert_eq!(line("11"), Err("a number from 0 to 10"));
    }
}
