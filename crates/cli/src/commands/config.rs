//! `sockeye config`: checks files of settings.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Subcommand};

use crate::client::Failure;
use crate::config;
use crate::host::listen;

/// The text in place of a value that may hold a password.
const HIDDEN: &str = "<hidden>";

/// Check the file of --config of a command
#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Check(Check),
}

/// Check a file of settings, and print the settings with which the command would start: those of
/// the environment, of the file, and defaults. Passwords are not printed
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye config check sockeye.toml
  sockeye config check gateway.toml gateway

Exit codes: 0 the file can be used, 2 it cannot, and each mistake was printed.")]
struct Check {
    /// File of settings (TOML), whose keys are the flags of the command without dashes in front
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Command that the file is for
    #[arg(value_name = "COMMAND", default_value = "serve")]
    command: Vec<String>,
}

/// Runs the command; `program` defines the command line. `check_files` checks the files that the
/// settings of a complete command line name.
///
/// # Errors
/// A failure with the exit code 2 when the settings cannot be used.
pub(crate) fn run(
    arguments: &ConfigArguments,
    program: &Command,
    check_files: impl FnOnce(&ArgMatches) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Action::Check(Check { file, command: path }) = &arguments.action;
    let mut built = program.clone();
    built.build();
    let known: Vec<_> =
        config::commands_with_settings(&built).into_iter().map(|(name, _)| name).collect();
    if !known.contains(&path.join(" ")) {
        let known = known.join(", ");
        let path = path.join(" ");
        return Err(Failure::usage(format!(
            "there are no settings of a command {path}; the commands with settings are {known}"
        ))
        .into());
    }
    let program = without_positionals(program.clone(), path);
    let line =
        std::iter::once("sockeye").chain(path.iter().map(String::as_str)).chain(["--config"]);
    let line: Vec<_> = line.map(OsString::from).chain([file.into()]).collect();
    let merged = config::merge(&line, &program)?;
    if !merged.mistakes.is_empty() {
        let mistakes: Vec<_> =
            merged.mistakes.iter().map(|mistake| format!("{mistake:#}")).collect();
        return Err(Failure::usage(mistakes.join("\n")).into());
    }
    let name = file.display();
    let matches = program.clone().try_get_matches_from(&merged.line).map_err(|error| {
        let explanation = merged.explain(&error);
        let other = || format!("{name}: {}", config::explanation(&error));
        Failure::usage(explanation.unwrap_or_else(other))
    })?;
    check_files(&matches).map_err(|error| Failure::usage(format!("{name}: {error:#}")))?;
    let Some(command) = config::find(&built, path) else { return Ok(()) };
    let mut inner = &matches;
    while let Some((_, matches)) = inner.subcommand() {
        inner = matches;
    }
    let mut text = String::new();
    for flag in config::flags(command) {
        let Some(long) = flag.get_long() else { continue };
        let Some(value) = value(flag, inner) else { continue };
        let place = merged.places.get(long).map_or("default", String::as_str);
        let _ = writeln!(text, "{long} = {value}  # {place}");
    }
    listen::print_line(text.trim_end());
    Ok(())
}

/// Returns a program in which no positional argument of the command at `path` is required, as files
/// of settings have none.
fn without_positionals(program: Command, path: &[String]) -> Command {
    match path.split_first() {
        Some((name, rest)) => {
            program.mut_subcommand(name, |command| without_positionals(command, rest))
        }
        None => program.mut_args(|arg| if arg.is_positional() { arg.required(false) } else { arg }),
    }
}

/// Returns the value of a flag as TOML, or `None` if the flag has none.
fn value(flag: &Arg, matches: &ArgMatches) -> Option<String> {
    let raw = matches.get_raw(flag.get_id().as_str())?;
    let mut values: Vec<String> = raw.map(|value| value.to_string_lossy().into_owned()).collect();
    if flag.is_hide_env_values_set() {
        values = vec![HIDDEN.to_owned()];
    }
    let values: Vec<_> = values.iter().map(|value| scalar(&without_credentials(value))).collect();
    match flag.get_action() {
        ArgAction::Append => Some(format!("[{}]", values.join(", "))),
        _ => values.into_iter().next_back(),
    }
}

/// Returns a value as TOML.
fn scalar(value: &str) -> String {
    let is_number = value.parse::<u64>().is_ok_and(|number| number.to_string() == value);
    if is_number || value == "true" || value == "false" {
        return value.to_owned();
    }
    // A text of JSON is one of TOML.
    serde_json::to_string(value).unwrap_or_default()
}

/// Returns a value without the credentials of a URL in it.
fn without_credentials(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{HIDDEN}{}", &rest[at..]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_toml() {
        assert_eq!(scalar("10000"), "10000");
        assert_eq!(scalar("0660"), "\"0660\"");
        assert_eq!(scalar("true"), "true");
        assert_eq!(scalar("a \"b\""), "\"a \\\"b\\\"\"");
    }

    #[test]
    fn credentials_of_urls_are_hidden() {
        for (value, shown) in [
            ("redis://user:pass@host/0?a@b", "redis://<hidden>@host/0?a@b"),
            ("https://host/a@b", "https://host/a@b"),
            ("a@b", "a@b"),
        ] {
            assert_eq!(without_credentials(value), shown);
        }
    }
}
