//! The wording of outcomes and failures, shared by all forms of output.

use std::path::Path;
use std::time::Duration;

use percache::base::clock::Time;
use percache::store;
use percache::store::origin::Origin;
use percache_runner::configuration::FILE_NAME;
use percache_runner::events::{Differs, Failure, Holder, Moved, Outcome, Provenance, RemoteRun, RemoteStage};
use percache_runner::tasks::{RelPath, Task, TaskCommand, Workspace, name_from};
use percache_runner::text::{foreign, format_age, format_duration, format_size, shown};
use percache_runner::{FromRemote, Summary};

use crate::report::text;
use crate::terminal::style::{Paint, Style};

/// Returns the word for an outcome, and its style.
pub fn outcome(outcome: &Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Ran => ("ran", Style::Active),
        Outcome::Checked => ("checked", Style::Good),
        Outcome::Unstable(_) => ("unstable", Style::Bad),
        Outcome::UpToDate => ("up to date", Style::Faint),
        Outcome::Restored => ("restored", Style::Good),
        Outcome::OnRemote => ("on remote", Style::Faint),
        Outcome::Group => ("group", Style::Faint),
        Outcome::Failed(Failure::Interrupted) => ("stopped", Style::Warning),
        Outcome::Failed(_) => ("failed", Style::Bad),
        Outcome::WouldRun => ("would run", Style::Active),
        Outcome::WouldRestore => ("would restore", Style::Good),
        Outcome::MayRun => ("may run", Style::Warning),
        Outcome::Skipped => ("skipped", Style::Faint),
        Outcome::NotStarted => ("not started", Style::Faint),
        Outcome::WouldStart => ("would start", Style::Active),
    }
}

/// Returns the word for an outcome, padded to the width of the longest one; a dry run has other words.
pub fn column(paint: Paint, ended: &Outcome, dry_run: bool) -> String {
    let (word, style) = outcome(ended);
    let width = if dry_run { "would restore".len() } else { "up to date".len() };
    paint.apply(style, format!("{word:<width$}"))
}

/// Returns the line of a task without details.
pub fn line(paint: Paint, ended: &Outcome, task: &str) -> String {
    format!("{} {task}\n", column(paint, ended, false))
}

/// Describes how an output differs from the stored one, to follow its path.
pub fn differs(what: &Differs) -> String {
    match what {
        Differs::Gone => "was made, and is not made now".to_owned(),
        Differs::New => "was not made, and is made now".to_owned(),
        Differs::Kind(stored, now) => format!("was {stored}, and is {now} now"),
        Differs::Executable(true) => "was not executable, and is now".to_owned(),
        Differs::Executable(false) => "was executable, and is not now".to_owned(),
        Differs::Target(stored, now) => format!("pointed to `{stored}`, and points to `{now}` now"),
        Differs::Line { number, .. } => format!("differs from line {number} on"),
        Differs::Byte(byte) => format!("differs from byte {byte} on"),
        Differs::Content => "differs".to_owned(),
    }
}

/// Describes processes that hold the output of a command that has exited.
pub fn holders(holders: &[Holder]) -> String {
    const NAMED: usize = 3;
    let mut names: Vec<_> = holders.iter().take(NAMED).map(holder).collect();
    if holders.len() > NAMED {
        names.push(format!("{} more", holders.len() - NAMED));
    }
    if names.is_empty() { "a process in the background".to_owned() } else { names.join(", ") }
}

fn holder(holder: &Holder) -> String {
    const LONGEST: usize = 80;
    // On one line, whatever its arguments contain.
    let command: Vec<_> = holder.command.split_whitespace().collect();
    format!("process {} (`{}`)", holder.id, text::cut(&command.join(" "), LONGEST))
}

/// Reports that a command has exited while other processes still hold its output.
pub fn background(task: &str, processes: &[Holder]) -> String {
    format!("`{task}` has exited, and waits for {}, which holds its output", holders(processes))
}

/// The shortest wait for a worker that is worth a word.
const QUEUED: Duration = Duration::from_millis(500);

/// Says that a command ran on a worker, to follow how long it took.
pub fn remotely(run: &RemoteRun) -> String {
    let more = match () {
        () if run.cached => ", known there".to_owned(),
        () if run.queued >= QUEUED => format!(", queued for {}", format_duration(run.queued)),
        () => String::new(),
    };
    format!(", remote{more}")
}

/// Describes how far a command is that a worker is to run; `None` once it runs here.
pub fn stage(stage: RemoteStage) -> Option<&'static str> {
    match stage {
        RemoteStage::Sent => Some("remote: sending what it needs"),
        RemoteStage::Queued => Some("remote: waiting for a worker"),
        RemoteStage::Asked | RemoteStage::Running => Some("remote"),
        RemoteStage::Back => None,
    }
}

/// Suggests what to do about variables that a command may have missed.
pub fn unseen(names: &[String]) -> Option<String> {
    let (have, pass) = match names {
        [] => return None,
        [one] => (format!("your environment has {one}, which the command does not see"), format!("\"{one}\"")),
        _ => {
            let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
            let have = format!("your environment has {}, which the command does not see", names.join(", "));
            (have, quoted.join(", "))
        }
    };
    Some(format!("{have}: `env_pass = [{pass}]` passes it on, `env_from` if results depend on it"))
}

/// Suggests what to do about a failure, if there is more to say than to look at the log.
pub fn remedy(failure: &Failure, task: &Task) -> Option<String> {
    match failure {
        Failure::Error(trouble) => trouble.hint.clone(),
        Failure::MissingOutputs(paths) if paths.iter().any(|path| foreign(path).is_some()) => {
            paths.iter().find_map(|path| foreign(path)).map(str::to_owned)
        }
        Failure::MissingOutputs(_) if task.cwd != task.dir => {
            let (file, cwd) = (task.dir.child(FILE_NAME.as_bytes()), &task.cwd);
            Some(format!("outputs are relative to {file}, and the command runs in `{cwd}`"))
        }
        Failure::MissingOutputs(_) => {
            Some("let the command make it, or take it out of `outputs`; a glob need not match".to_owned())
        }
        Failure::TimedOut(_) => Some("`timeout` of the task says how long it may take".to_owned()),
        _ => None,
    }
}

/// Returns the command of a task, as a user would type it.
pub fn command(task: &Task) -> Option<String> {
    Some(match task.command.as_ref()? {
        TaskCommand::Shell(text) => text.clone(),
        TaskCommand::Argv(arguments) => arguments.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" "),
    })
}

/// The circumstances of a command line.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The directory, relative to the workspace.
    pub cwd: &'a RelPath,
    /// The value of `-C`.
    pub directory: Option<&'a Path>,
    /// The arguments after `--`.
    pub args: &'a [String],
}

/// Returns the command that runs a task again.
pub fn again(workspace: &Workspace, place: &Place<'_>, task: &Task) -> String {
    let directory = place.directory.map(|directory| format!(" -C {}", quoted(&directory.to_string_lossy())));
    let args: String = place.args.iter().filter(|_| task.takes_args).map(|arg| format!(" {}", quoted(arg))).collect();
    let dashes = if args.is_empty() { "" } else { " --" };
    let name = quoted(&name_from(workspace, place.cwd, &task.name));
    format!("percache{} build {name}{dashes}{args}", directory.unwrap_or_default())
}

/// Quotes a word for a shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Describes what was moved aside, where it is, and how to restore it.
pub fn moved(moved: &Moved) -> String {
    const NAMED: usize = 3;
    let Moved { root, paths, to, single, .. } = moved;
    // Files of a single command are below a directory that may be far above the current one.
    let is_here = || std::env::current_dir().is_ok_and(|cwd| cwd == *root);
    let text = |path: &RelPath| match *single && !is_here() {
        true => shown(&path.to_path(root)).into_owned(),
        false => path.to_string(),
    };
    let names: Vec<_> = paths.iter().take(NAMED).map(|path| format!("`{}`", text(path))).collect();
    let more = if paths.len() > NAMED { format!(" and {} more", paths.len() - NAMED) } else { String::new() };
    let (it, is) = if paths.len() > 1 { ("them", "they are") } else { ("it", "it is") };
    format!(
        "moved {}{more} aside, because percache does not hold that content: {is} in `{}`, and `percache displaced{}` \
         gives {it} back",
        names.join(", "),
        shown(to),
        if *single { " --exec" } else { "" }
    )
}

/// Returns the summary: `12 ran, 340 up to date, 8 restored in 0.41s`.
pub fn summary(summary: &Summary) -> String {
    let counts = [
        (summary.failed.len(), "failed"),
        (summary.unstable.len(), "unstable"),
        (summary.stopped, "stopped"),
        (summary.ran, "ran"),
        (summary.checked, "checked"),
        (summary.up_to_date, "up to date"),
        (summary.restored, "restored"),
        (summary.would_run, "would run"),
        (summary.may_run, "may run"),
        (summary.would_restore, "would be restored"),
        (summary.on_remote, "left on the remote"),
        (summary.would_start, "would start"),
        (summary.skipped, "skipped"),
    ];
    let counted: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let remote = Some(summary.remote).filter(|count| *count > 0).map(|count| format!("{count} executed remotely"));
    let counted: Vec<_> = counted.into_iter().chain(fetched(&summary.shared)).chain(remote).collect();
    let counted = if counted.is_empty() { "0 up to date".to_owned() } else { counted.join(", ") };
    format!("{counted} in {:.2}s", summary.took.as_secs_f64())
}

/// Returns what came from the remote: `8 from the remote (12 MiB; saved 3 min)`.
fn fetched(remote: &FromRemote) -> Option<String> {
    let FromRemote { fetched, bytes, saved, .. } = remote;
    let saved = Some(saved).filter(|saved| !saved.is_zero()).map(|saved| format!("saved {}", format_duration(*saved)));
    let sizes = Some(*bytes).filter(|bytes| *bytes > 0).map(format_size);
    let detail: Vec<_> = sizes.into_iter().chain(saved).collect();
    let detail = if detail.is_empty() { String::new() } else { format!(" ({})", detail.join("; ")) };
    (*fetched > 0).then(|| format!("{fetched} from the remote{detail}"))
}

/// Says what is worth knowing of where a result came from.
pub fn provenance(provenance: &Provenance) -> Vec<String> {
    let came = provenance.origin.as_ref().map(|of| match (&of.from, provenance.fetched) {
        (store::origin::Place::Remote(address), Some(_)) => format!("from {address}"),
        _ => origin(of),
    });
    let refused = provenance.refused.as_ref().map(|why| format!("the remote's result is not used: {why}"));
    came.into_iter().chain(refused).collect()
}

/// Says where a result came from, and when: `fetched from grpc://cache.example.com 5 min ago`.
pub fn origin(origin: &Origin) -> String {
    let age = format_age(Time::now().since(origin.came));
    match &origin.from {
        store::origin::Place::Remote(address) => format!("fetched from {address} {age} ago"),
        store::origin::Place::File(path) => format!("imported from {path} {age} ago"),
        store::origin::Place::Worker { server, worker } if worker.is_empty() => {
            format!("executed remotely at {server}")
        }
        store::origin::Place::Worker { server, worker } => format!("executed remotely at {server} by {worker}"),
    }
}
