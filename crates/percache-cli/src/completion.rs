//! Completions: the shell asks percache itself, which knows the tasks.
//!
//! Offers no tasks if the configuration has mistakes, and does not report these. Opens no store.

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
use percache_runner::Project;
use percache_runner::tasks::{RelPath, Task};
use percache_runner::text::reason;

use crate::args::{Cli, Shell};
use crate::error::{CliError, SUCCESS};
use crate::topics;

/// The instructions in `percache completions --help`.
pub const HOW: &str = "\
The shell asks percache for commands, options, and the tasks of the workspace.

  bash        eval \"$(percache completions bash)\"                     in ~/.bashrc
  zsh         eval \"$(percache completions zsh)\"                      in ~/.zshrc, behind compinit
  fish        percache completions fish | source                      in ~/.config/fish/config.fish
  PowerShell  percache completions powershell | Out-String | iex      in $PROFILE
  Elvish      eval (percache completions elvish | slurp)              in ~/.config/elvish/rc.elv";

/// The variable by which a script asks for completions; its value is the shell.
const VARIABLE: &str = "PERCACHE_COMPLETE";

const SHELLS: Shells<'static> = Shells(&[&bash::Bash, &Elvish, &Fish, &Powershell, &Zsh]);

/// Answers a request for completions. Returns `None` if there is none.
pub fn answer() -> Option<Result<u8, CliError>> {
    let asked = CompleteEnv::with_factory(Cli::command).var(VARIABLE).shells(SHELLS);
    let directory = std::env::current_dir().ok();
    match asked.try_complete(std::env::args_os(), directory.as_deref()) {
        Ok(false) => None,
        Ok(true) => Some(Ok(SUCCESS)),
        Err(error) => Some(unanswered(&error)),
    }
}

/// Converts an error of the answer. A closed pipe is not an error: the shell does not want more.
fn unanswered(error: &clap::Error) -> Result<u8, CliError> {
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(SUCCESS),
        Some(error) if error.raw_os_error().is_some() => {
            Err(CliError::failure(format!("cannot write to standard output: {}", reason(error))))
        }
        _ => Err(CliError::usage(error.to_string().trim_start_matches("error: ").trim_end())),
    }
}

/// Returns the script that makes a shell ask for completions.
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
        // Writing to memory cannot fail.
        let _ = shell.write_registration(VARIABLE, "percache", "percache", "percache", &mut script);
    }
    String::from_utf8_lossy(&script).into_owned()
}

/// Completes the commands and topics that `percache help` explains.
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

/// Completes the names of tasks. Instances are offered only after the name of their template: `objects[…`.
pub fn tasks(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(project) = project() else { return Vec::new() };
    let with_instances = current.to_string_lossy().contains('[');
    let mut names: BTreeMap<&str, Option<StyledStr>> = BTreeMap::new();
    for task in &project.workspace.tasks {
        let full = if with_instances { &task.name } else { &task.template };
        for name in [Some(&full[..]), short(&project.cwd, full)].into_iter().flatten() {
            names.entry(name).or_insert_with(|| described(task, with_instances));
        }
    }
    let candidates = names.into_iter().map(|(name, help)| CompletionCandidate::new(name).help(help));
    candidates.filter(|candidate| begins(candidate, current)).collect()
}

/// Returns the short name of a task in the current member.
fn short<'n>(cwd: &RelPath, full: &'n str) -> Option<&'n str> {
    let (member, name) = full.split_once(':')?;
    let cwd = cwd.to_text();
    let inside = cwd == member || cwd.strip_prefix(member).is_some_and(|rest| rest.starts_with('/'));
    inside.then_some(name)
}

fn described(task: &Task, one: bool) -> Option<StyledStr> {
    // The description of a template may be that of one of its instances.
    let speaks_of_one = task.name != task.template && !one;
    task.description.as_ref().filter(|_| !speaks_of_one).map(StyledStr::from)
}

/// Loads the workspace that the typed command line refers to.
fn project() -> Option<Project> {
    Project::load(&directory(std::env::args_os()), &[]).ok()
}

/// Returns the directory that `-C` names in that line, or the current one.
fn directory(words: impl Iterator<Item = OsString>) -> PathBuf {
    let words: Vec<OsString> = words.flat_map(|word| bash::unpacked(&word).unwrap_or_else(|| vec![word])).collect();
    let named = words.iter().zip(words.iter().skip(1)).rfind(|(option, _)| *option == "-C").map(|(_, name)| name);
    named.map_or(Path::new("."), Path::new).to_owned()
}
