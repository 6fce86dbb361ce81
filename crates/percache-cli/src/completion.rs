//! Completions: shells ask percache itself, which knows the tasks.
//!
//! A configuration with mistakes has no tasks to offer, and says nothing of it. No store is opened.

mod bash;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::builder::StyledStr;
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{Elvish, Fish, Powershell, Shells, Zsh};
use percache_runner::config::{self, Location, Request};
use percache_runner::model::problem::reason;
use percache_runner::model::{Task, Workspace};
use percache_runner::worktree::ownership;

use crate::args::{Cli, Shell};
use crate::error::{CliError, SUCCESS};
use crate::topics;

/// How the scripts are used, for `percache completions --help`.
pub const HOW: &str = "\
The shell asks percache for commands, options, and the tasks of the workspace.

  bash        eval \"$(percache completions bash)\"                     in ~/.bashrc
  zsh         eval \"$(percache completions zsh)\"                      in ~/.zshrc, behind compinit
  fish        percache completions fish | source                      in ~/.config/fish/config.fish
  PowerShell  percache completions powershell | Out-String | iex      in $PROFILE
  Elvish      eval (percache completions elvish | slurp)              in ~/.config/elvish/rc.elv";

/// By this variable a script asks; its value is the shell.
const VARIABLE: &str = "PERCACHE_COMPLETE";

const SHELLS: Shells<'static> = Shells(&[&bash::Bash, &Elvish, &Fish, &Powershell, &Zsh]);

/// Answers the shell, if it is the shell that asks; how that went.
pub fn answer() -> Option<Result<u8, CliError>> {
    let asked = CompleteEnv::with_factory(Cli::command).var(VARIABLE).shells(SHELLS);
    let directory = std::env::current_dir().ok();
    match asked.try_complete(std::env::args_os(), directory.as_deref()) {
        Ok(false) => None,
        Ok(true) => Some(Ok(SUCCESS)),
        Err(error) => Some(unanswered(&error)),
    }
}

/// What to say of an answer that did not arrive. Who closed the other end does not want to read on.
fn unanswered(error: &clap::Error) -> Result<u8, CliError> {
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(SUCCESS),
        Some(error) if error.raw_os_error().is_some() => {
            Err(CliError::failure(format!("cannot write to standard output: {}", reason(error))))
        }
        _ => Err(CliError::usage(error.to_string().trim_start_matches("error: ").trim_end())),
    }
}

/// The script with which a shell learns to ask.
pub fn script(shell: Shell) -> String {
    let name = match shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Elvish => "elvish",
    };
    let mut script = Vec::new();
    if let Some(shell) = SHELLS.completer(name) {
        // Writing to memory does not fail.
        let _ = shell.write_registration(VARIABLE, "percache", "percache", "percache", &mut script);
    }
    String::from_utf8_lossy(&script).into_owned()
}

/// The commands and topics that `percache help` explains.
pub fn subjects(current: &OsStr) -> Vec<CompletionCandidate> {
    let command = Cli::command();
    let commands = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| CompletionCandidate::new(command.get_name()).help(command.get_about().cloned()));
    let topics = topics::TOPICS.iter().map(|topic| CompletionCandidate::new(topic.name).help(Some(topic.about.into())));
    commands.chain(topics).filter(|candidate| begins(candidate, current)).collect()
}

fn begins(candidate: &CompletionCandidate, current: &OsStr) -> bool {
    candidate.get_value().to_string_lossy().starts_with(&*current.to_string_lossy())
}

/// The names of tasks. Instances are offered once their task is named: `objects[…`.
pub fn tasks(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some((location, workspace)) = workspace() else { return Vec::new() };
    let with_instances = current.to_string_lossy().contains('[');
    let mut names: BTreeMap<&str, Option<StyledStr>> = BTreeMap::new();
    for task in &workspace.tasks {
        let full = if with_instances { &task.name } else { &task.template };
        for name in [Some(&full[..]), short(&location, full)].into_iter().flatten() {
            names.entry(name).or_insert_with(|| described(task, with_instances));
        }
    }
    let candidates = names.into_iter().map(|(name, help)| CompletionCandidate::new(name).help(help));
    candidates.filter(|candidate| begins(candidate, current)).collect()
}

/// The name of a task within the member that one stands in.
fn short<'n>(location: &Location, full: &'n str) -> Option<&'n str> {
    let (member, name) = full.split_once(':')?;
    let cwd = location.cwd.to_string();
    let inside = cwd == member || cwd.strip_prefix(member).is_some_and(|rest| rest.starts_with('/'));
    inside.then_some(name)
}

fn described(task: &Task, one: bool) -> Option<StyledStr> {
    // The description of a template may speak of one of its instances.
    let speaks_of_one = task.name != task.template && !one;
    task.description.as_ref().filter(|_| !speaks_of_one).map(StyledStr::from)
}

/// The workspace that the line on which the user types is about.
fn workspace() -> Option<(Location, Workspace)> {
    let location = config::discover(&directory(std::env::args_os())).ok()?;
    let request = Request { made: Some(ownership::made), ..Request::default() };
    let workspace = config::load(&location.root, &request).ok()?;
    Some((location, workspace))
}

/// What `-C` names on that line, or the current directory.
fn directory(words: impl Iterator<Item = OsString>) -> PathBuf {
    let words: Vec<OsString> = words.flat_map(|word| bash::unpacked(&word).unwrap_or_else(|| vec![word])).collect();
    let named = words.iter().zip(words.iter().skip(1)).rfind(|(option, _)| *option == "-C").map(|(_, name)| name);
    named.map_or(Path::new("."), Path::new).to_owned()
}
