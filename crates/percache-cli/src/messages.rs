//! The words of the `Warning` and `Note` events of a build: every one of them, and nothing else.
//!
//! A warning is one line and a hint; a note is one line.

use std::path::Path;

use percache_runner::displaced::Amount;
use percache_runner::events::{Exclusion, NotStored, Note, PackageDoubt, StoreTrouble, Warning, WhyKept};
use percache_runner::tasks::RelPath;
use percache_runner::text::{foreign, format_age, shown, shown_bytes, way_out};

/// The number of files that a message names.
const NAMED: usize = 3;

/// Words a warning: what is wrong in one line, and what to do about it.
pub fn warning(warning: &Warning) -> (String, Option<String>) {
    match warning {
        Warning::MissingPart { task, path, key, missing, meant } => {
            let hint = missing_part(path, missing.as_deref(), meant.as_deref());
            (format!("`{task}`: its input `{path}#{key}` does not exist"), Some(hint))
        }
        Warning::MissingExternal { task, path } => (
            format!("`{task}`: its external input `{path}` does not exist"),
            Some("create it, or correct `external`".to_owned()),
        ),
        Warning::MissingInput { task, path, relative_to } => {
            let hint = match (foreign(&path.to_string()), relative_to) {
                (Some(hint), _) => hint.to_owned(),
                (None, None) => "create it, or correct `inputs`; a glob need not match".to_owned(),
                (None, Some(file)) => format!("paths are relative to {file}, not to `cwd`"),
            };
            (format!("`{task}`: its input `{path}` does not exist"), Some(hint))
        }
        Warning::NotStored { task, why } => not_stored(task, why),
        Warning::NotChecked { task, changed } => (
            format!("`{task}` is not checked: {changed} while it ran"),
            Some("check again when nobody writes to it; if the task itself does, it is no input".to_owned()),
        ),
        Warning::Refuted { task } => (
            format!("`{task}` succeeded before, with the same inputs"),
            Some("its stored result is not used any more".to_owned()),
        ),
        Warning::FailedElsewhere { task, missing, here } => failed_elsewhere(task, missing.as_deref(), *here),
        Warning::Spoiled { task, files } => spoiled(task, files),
        Warning::Stuck { path, more, error } => {
            let more = if *more == 0 { String::new() } else { format!(" and {more} more") };
            let why = percache_runner::text::reason(error);
            (format!("`{path}`{more} cannot be removed, although no task makes it any more: {why}"), way_out(error))
        }
        Warning::Store { trouble, dir, single } => store(trouble, dir, *single),
        Warning::ManyDisplaced { files, bytes } => (
            format!("{} are kept, which is more than the store may have (`maxsize`)", amount(*files, *bytes)),
            Some("`percache displaced` lists them, and `percache displaced drop PATH` deletes some".to_owned()),
        ),
    }
}

/// Words the warning that a command failed on a worker, which had its declared inputs and nothing else.
fn failed_elsewhere(task: &str, missing: Option<&str>, here: bool) -> (String, Option<String>) {
    let only = "ran remotely, with its declared inputs and nothing else";
    let here_only = "`remote = \"cache\"` has it run here";
    match missing {
        Some(path) if here => (
            format!("`{task}` {only}: `{path}` is not among them"),
            Some(format!("add `{path}` to its `inputs`, or the task that makes it to its `deps`; {here_only}")),
        ),
        Some(path) => (
            format!("`{task}` {only}; it did not find `{path}`"),
            Some(format!("declare what it reads, or install it on the workers; {here_only}")),
        ),
        None => (
            format!("`{task}` {only}"),
            Some(format!("if it fails only there, declare everything that it reads; {here_only}")),
        ),
    }
}

/// Returns what to do about a file that does not have a part, or does not exist.
fn missing_part(path: &RelPath, missing: Option<&str>, meant: Option<&str>) -> String {
    match (missing, meant) {
        (None, _) => format!("create {path}, or correct `inputs`"),
        (Some(missing), Some(meant)) => format!("{path} has no `{missing}`: did you mean `{meant}`?"),
        (Some(missing), None) => format!("{path} has no `{missing}`: add it, or correct `inputs`"),
    }
}

/// Words a note.
pub fn note(note: &Note) -> String {
    match note {
        Note::FewerJobs(jobs) => {
            format!("{jobs} jobs at a time: more do not fit into the files that may be open (ulimit -n)")
        }
        Note::NotAsked(tools) => {
            let names: Vec<_> = tools.iter().map(|tool| format!("`{tool}`")).collect();
            format!("not run; assumed to answer as the last time: {}", names.join(", "))
        }
        Note::EndedOrphans(1) => "ended a process that a killed build had left running".to_owned(),
        Note::EndedOrphans(count) => format!("ended {count} processes that a killed build had left running"),
        Note::Removed(paths) => format!("removed {}: no task makes it any more", named(paths)),
        Note::Kept(paths, WhyKept::Edited) => {
            format!("kept {}: no task makes it any more, but somebody has edited it", named(paths))
        }
        Note::Kept(paths, WhyKept::Source) => {
            format!("kept {}: no task makes it any more, but it is a source now", named(paths))
        }
        Note::Kept(paths, WhyKept::Tracked) => {
            format!("kept {}: it is no output any more, and git tracks it", named(paths))
        }
        Note::ExpiredDisplaced { files, bytes, age } => {
            format!("removed {}: moved aside more than {} ago", amount(*files, *bytes), format_age(*age))
        }
        Note::UnusedTemplate { name, place } => format!("no task extends the template `{name}` ({place})"),
        Note::NoneAbove(none) => none.to_string(),
        Note::Packages(PackageDoubt { file, problem, hint }) => format!("{file}: {problem}; {hint}"),
        Note::Unmatched { task, output, pattern } => {
            let what = if *output { "output" } else { "input" };
            let hint = foreign(pattern).map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("`{task}`: no {what} matches `{pattern}`{hint}")
        }
    }
}

fn not_stored(task: &str, why: &NotStored) -> (String, Option<String>) {
    let (why, hint) = match why {
        NotStored::Log(cut) => {
            (format!("its log cannot be kept: {cut}"), "make room on the disk of the store".to_owned())
        }
        NotStored::Changed { changed, from } => {
            let remedy = match from {
                Some(Exclusion { task, pattern }) => format!("add {pattern:?} to the `outputs` of `{task}`"),
                None => "it is no input".to_owned(),
            };
            let hint = format!("build again when nobody writes to it; if the task itself does, {remedy}");
            (format!("{changed} while it ran"), hint)
        }
        NotStored::NotThere(path) => (
            format!("its depfile names `{}`, which does not exist", shown_bytes(path)),
            "paths in a depfile are relative to `cwd`: set `cwd` to the directory that the command goes to by `cd`"
                .to_owned(),
        ),
        NotStored::UnknownOrigin(files) => {
            let (lay, them) = if files.len() == 1 { ("was", "it") } else { ("were", "them") };
            let first = files.first().map(ToString::to_string).unwrap_or_default();
            let hint = format!(
                "if it is yours, add \"!{first}\" to `outputs`, or `git add` it; if not, delete it; \
                 `percache build --accept` takes it for an output"
            );
            (format!("{} {lay} among its outputs before, and the command left {them} alone", named(files)), hint)
        }
        NotStored::AddedTo(path) => {
            let hint = format!(
                "the next build moves it aside and runs `{task}` again; if the file is yours, add \"!{path}\" to \
                 `outputs`"
            );
            (format!("`{path}` was there before, and the command added to it"), hint)
        }
    };
    (format!("`{task}` is not stored: {why}"), Some(hint))
}

fn spoiled(task: &str, files: &[RelPath]) -> (String, Option<String>) {
    let were = if files.len() == 1 { "was" } else { "were" };
    let message = format!(
        "`{task}` did not succeed, and while it ran {} {were} written, which git ignores and no task declares",
        named(files)
    );
    let first = files.first().map(ToString::to_string).unwrap_or_default();
    let hint = format!(
        "a tool may take what it noted there for done: if the command writes it, add \"{first}\" to `outputs`, so that \
         it goes before the next run, or delete it"
    );
    (message, Some(hint))
}

fn store(trouble: &StoreTrouble, dir: &Path, single: bool) -> (String, Option<String>) {
    let trouble = match trouble {
        StoreTrouble::Database(error) => error.clone(),
        StoreTrouble::Journal(error) => format!("its journal cannot be written: {error}"),
        StoreTrouble::Intents(error) => format!("what it is about to write cannot be noted: {error}"),
        StoreTrouble::Unstable(error) => format!("unstable tasks cannot be noted: {error}"),
    };
    let (what, option) = if single { ("the command runs", " --exec") } else { ("the build goes on", "") };
    let hint = format!(
        "{what} without it; `percache verify{option} --repair` puts a damaged store right, else look at the \
         permissions and the space of `{}`",
        shown(dir)
    );
    let short = trouble.split(" (os error").next().unwrap_or(&trouble);
    (format!("the store cannot be used: {short}"), Some(hint))
}

/// Names the first few paths, and counts the others.
fn named(paths: &[RelPath]) -> String {
    let names: Vec<_> = paths.iter().take(NAMED).map(|path| format!("`{path}`")).collect();
    let more = if paths.len() > NAMED { format!(" and {} more", paths.len() - NAMED) } else { String::new() };
    format!("{}{more}", names.join(", "))
}

fn amount(files: usize, bytes: u64) -> String {
    Amount { files, bytes }.to_string()
}
