//! Reports mistakes of the command line in the form of all other errors: what is wrong, and what to write instead.
//!
//! Knows nothing of what commands do.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

use percache_runner::text::did_you_mean;

use crate::args::{Cli, ColorWhen, Command, Exec};
use crate::error::CliError;
use crate::terminal::style::Paint;

/// Parses the command line. Returns `None` if it asked for help, which was printed.
pub fn parse() -> Result<Option<Cli>, (CliError, Paint)> {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let error = match Cli::try_parse() {
        Ok(Cli { command: Command::Exec(exec), color, .. }) if is_option(&exec, &words) => {
            return Err((unknown_option(&exec.command[0]), Paint::stderr(color)));
        }
        Ok(cli) => return Ok(Some(cli)),
        Err(error) => error,
    };
    let colour = colour(&words);
    if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Err((explain(&error, &words[1..]), Paint::stderr(colour)));
    }
    let paint = if error.use_stderr() { Paint::stderr(colour) } else { Paint::stdout(colour) };
    let help = if paint.is_on() { error.render().ansi().to_string() } else { error.to_string() };
    if error.use_stderr() {
        return Err((CliError::rendered(help), paint));
    }
    crate::say!("{}", help.trim_end());
    Ok(None)
}

/// Returns whether what `exec` takes for the command is an option that it does not have.
fn is_option(exec: &Exec, words: &[String]) -> bool {
    let Some(program) = exec.command.first().filter(|program| program.starts_with('-')) else { return false };
    // After `--` it is intended.
    let position = words.iter().position(|word| word == program);
    position.and_then(|position| words.get(position.checked_sub(1)?)).is_none_or(|before| before != "--")
}

/// Names of other tools for options of `exec`.
const KNOWN_ELSEWHERE: [(&str, &str); 8] = [
    ("--ttl", "--valid-for"),
    ("--max-age", "--valid-for"),
    ("--maxage", "--valid-for"),
    ("--expire", "--valid-for"),
    ("--modtime", "--input"),
    ("--deps", "--input"),
    ("--no-cache", "--force"),
    ("--refresh", "--force"),
];

/// Creates the error for an option that `exec` does not have.
fn unknown_option(option: &str) -> CliError {
    let name = option.split('=').next().unwrap_or(option);
    let all = Cli::command();
    let longs = all.find_subcommand("exec").into_iter().flat_map(|exec| exec.get_arguments());
    let longs: Vec<String> = longs.filter_map(|option| option.get_long()).map(|long| format!("--{long}")).collect();
    let known =
        KNOWN_ELSEWHERE.iter().find(|(other, _)| *other == name).map(|(_, own)| format!("did you mean `{own}`?"));
    let hint = known.or_else(|| did_you_mean(name, longs.iter().map(String::as_str)));
    let hint =
        hint.unwrap_or_else(|| "`percache exec --help` lists its options; behind `--` stands the command".to_owned());
    CliError::usage(format!("`percache exec` has no option `{name}`")).hint(Some(hint))
}

/// Translates an error of clap.
fn explain(error: &clap::Error, words: &[String]) -> CliError {
    let command = command(words);
    let help = format!("`{command} --help` says what it takes");
    let get = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let argument = get(ContextKind::InvalidArg).unwrap_or_default();
    let value = get(ContextKind::InvalidValue).unwrap_or_default();
    let meant = |suggestion: Option<String>| suggestion.map(|text| format!("did you mean `{text}`?"));
    let (message, hint) = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = get(ContextKind::InvalidSubcommand).unwrap_or_default();
            let other =
                || format!("`percache help` lists all commands; `percache build {name}` builds a task of this name");
            let shown =
                |name: &String| Cli::command().find_subcommand(name).is_some_and(|command| !command.is_hide_set());
            let suggestion = get(ContextKind::SuggestedSubcommand).filter(shown);
            (format!("there is no command `{name}`"), meant(suggestion).unwrap_or_else(other))
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let other = || format!("`{command} --help` lists its options");
            (
                format!("`{command}` has no option `{argument}`"),
                meant(get(ContextKind::SuggestedArg)).unwrap_or_else(other),
            )
        }
        ErrorKind::UnknownArgument => (format!("`{command}` does not know what to do with `{argument}`"), help),
        ErrorKind::InvalidValue if value.is_empty() => (format!("`{argument}` wants a value"), help),
        ErrorKind::InvalidValue => {
            let valid = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(valid)) if !valid.is_empty() => format!("it takes {}", valid.join(", ")),
                _ => help,
            };
            (format!("`{value}` is no value of `{argument}`"), valid)
        }
        ErrorKind::ValueValidation => {
            let why = error.source().map(|why| format!(": it {why}")).unwrap_or_default();
            (format!("`{value}` is no value of `{argument}`{why}"), help)
        }
        ErrorKind::ArgumentConflict => {
            let other = get(ContextKind::PriorArg).unwrap_or_default();
            match argument == other || other.is_empty() {
                true => (format!("`{argument}` can be given once"), help),
                false => (format!("`{argument}` and `{other}` do not go together"), help),
            }
        }
        ErrorKind::MissingRequiredArgument => match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::Strings(missing)) => (format!("`{command}` needs {}", missing.join(", ")), help),
            _ => (format!("`{command}` needs more than that"), help),
        },
        // The first line says what is wrong.
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            (line.strip_prefix("error: ").unwrap_or(line).to_owned(), help)
        }
    };
    CliError::usage(message).hint(Some(hint))
}

/// Returns the command that the words name, as it is written.
fn command(words: &[String]) -> String {
    let all = Cli::command();
    let name =
        words.iter().find_map(|word| all.find_subcommand(word)).map(|command| format!(" {}", command.get_name()));
    format!("percache{}", name.unwrap_or_default())
}

/// Returns the value of `--color`, as far as it can be determined.
fn colour(words: &[String]) -> ColorWhen {
    let value = |(i, word): (usize, &String)| match word.strip_prefix("--color") {
        Some("") => words.get(i + 1).cloned(),
        Some(rest) => rest.strip_prefix('=').map(str::to_owned),
        None => None,
    };
    match words.iter().enumerate().find_map(value).as_deref() {
        Some("never") => ColorWhen::Never,
        Some("always") => ColorWhen::Always,
        _ => ColorWhen::Auto,
    }
}
