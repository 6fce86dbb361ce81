//! The reason why a task runs: the difference between now and the result that its outputs in the tree belong to, or the
//! obstacle that keeps a result from being used.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use percache::base::clock::Time;
use percache::store::record::{ResultKey, StoredResult};

use crate::action::changes::{Change, compare, locate, settle, summary};
use crate::action::context::Context;
use crate::action::done::Done;
use crate::action::inputs::{Dependencies, Prepared, prepare};
use crate::action::lookup::{is_valid, observe_all};
use crate::action::remembered::{last, parts};
use crate::action::tied::{Tied, tied};
use crate::fs::outputs::is_right;
use crate::fs::stat_cache::FileState;
use crate::key::fingerprint::{Discovered, Kind, Parts};
use crate::model::event::Outcome;
use crate::model::{Task, TaskId};
use crate::syntax::shown::{first_few, shown_bytes};
use crate::syntax::units::format_age;
use crate::worktree::journal::TaskRecord;

/// The reason why a task runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It always runs: `cache = false`, or interactive.
    Always,
    /// `--force` was given.
    Forced,
    /// Nothing is looked up: `--no-cache`.
    NoCache,
    /// It never ran here.
    FirstTime,
    /// It ran here, but no run left a result: all failed, were stopped, or could not be stored.
    NoResult,
    /// For a past result: it is the first one of the task here.
    FirstResult,
    /// These things differ from the last result here.
    Changed(Vec<Change>),
    /// Nothing differs, but the result is too old.
    TooOld {
        /// The age of the result; `None` if it is dated in the future, because the clock was set back.
        age: Option<Duration>,
        /// The maximum age.
        valid_for: Duration,
    },
    /// A result fits, but is tied to another directory.
    Tied(Tied),
    /// The last result was removed from the store, or could not be stored.
    ResultGone,
    /// Something differs from the last result, whose outputs were left on the remote; nobody here knows what.
    NotHere,
    /// Nothing differs, and the store has the result, but not all of its contents.
    ResultBroken,
    /// Nothing differs, but the contents of its outputs are not kept, and this one is not as it was left.
    NotKept {
        /// The path of the first such output.
        output: Vec<u8>,
        /// Whether nothing is there any more.
        gone: bool,
    },
    /// The store cannot be read.
    StoreUnreadable,
    /// The reason is unknown.
    Unknown,
    /// In a dry run: these dependencies would run, and their outputs are unknown.
    Needs {
        /// The names of the dependencies.
        tasks: Vec<String>,
        /// The differences from the last result here that do not depend on them.
        changes: Vec<Change>,
    },
    /// In a dry run: these tools are not run, and their answers are unknown.
    UnknownTools {
        /// The commands of the tools.
        tools: Vec<String>,
        /// Whether no result of the task here has an answer of theirs.
        never_asked: bool,
    },
}

impl Why {
    /// Returns the differences from the last result, if they are the reason or a part of it.
    pub fn changes(&self) -> &[Change] {
        match self {
            Why::Changed(changes) | Why::Needs { changes, .. } => changes,
            _ => &[],
        }
    }
}

/// Returns the reason if the task runs regardless of stored results.
fn in_any_case(ctx: &Context<'_>, task: &Task, forced: bool) -> Option<Why> {
    if !task.cache || task.interactive {
        return Some(Why::Always);
    }
    if forced {
        return Some(Why::Forced);
    }
    ctx.store.is_none().then_some(Why::NoCache)
}

/// Finds out why a task runs.
pub fn why(ctx: &Context<'_>, task: &Task, prepared: &Prepared, forced: bool) -> Why {
    if let Some(why) = in_any_case(ctx, task, forced) {
        return why;
    }
    if let Some(tied) = tied(ctx, task, prepared) {
        return Why::Tied(tied);
    }
    let Some(last) = last(ctx, task) else {
        // A task that failed before its command started has no record either.
        return if ctx.journal.tasks.contains_key(&task.name) { Why::NoResult } else { Why::FirstTime };
    };
    let Some(old) = parts(ctx, &last) else {
        let record = ctx.journal.tasks.get(&task.name);
        let differs = |record: &TaskRecord| record.on_remote && record.fingerprint != prepared.fingerprint;
        return match record.is_some_and(differs) {
            true => Why::NotHere,
            false if ctx.has_trouble() => Why::StoreUnreadable,
            false => Why::ResultGone,
        };
    };
    let mut changes = changes_since(ctx, &old, prepared);
    if changes.is_empty() {
        return unused(ctx, task, &last);
    }
    locate(&mut changes, &ctx.contents);
    Why::Changed(changes)
}

/// Returns why a result is not used although nothing differs from it.
fn unused(ctx: &Context<'_>, task: &Task, key: &ResultKey) -> Why {
    match (ctx.store.and_then(|store| ctx.or_trouble(store.result(key))), task.valid_for) {
        (None, _) => Why::StoreUnreadable,
        (Some(None), _) => Why::ResultGone,
        (Some(Some(result)), Some(valid_for)) if !is_valid(task, result.created) => {
            Why::TooOld { age: Time::now().checked_since(result.created), valid_for }
        }
        (Some(Some(result)), _) => not_kept(ctx, &result).unwrap_or(Why::ResultBroken),
    }
}

/// Returns the first output of a result that is not as it was left and whose content is not kept, as a reason.
fn not_kept(ctx: &Context<'_>, result: &StoredResult) -> Option<Why> {
    result.outputs.iter().filter(|entry| !entry.kept).find_map(|entry| {
        let state = ctx.observer.observe(&entry.path).unwrap_or(FileState::Special);
        let gone = state == FileState::Absent;
        (!is_right(&entry.node, &state)).then(|| Why::NotKept { output: entry.path.clone(), gone })
    })
}

/// Returns the differences between an old result and now. Looks at the files that the old run discovered, because it is
/// unknown which ones a new run will discover.
fn changes_since(ctx: &Context<'_>, old: &Parts, prepared: &Prepared) -> Vec<Change> {
    let found = old.iter().filter(|part| part.kind == Kind::Discovered).map(|part| part.name.clone()).collect();
    let discovered = observe_all(ctx, found).unwrap_or_default();
    let mut changes = compare(old, &with(prepared, &discovered));
    settle(&mut changes, &|change| match change.kind {
        Kind::Input | Kind::Discovered => {
            ctx.observer.observe(&change.name).is_ok_and(|state| state != FileState::Absent)
        }
        Kind::FilePart | Kind::External => change.remains_at(ctx.observer.root()),
        // A variable that the caller has set exists, whether or not the command sees it.
        Kind::Env => {
            let name = OsStr::from_bytes(&change.name);
            ctx.caller.contains_key(name) || prepared.environment.variables.contains_key(name)
        }
        _ => false,
    });
    changes
}

/// Returns the outcome, in a dry run, of a task whose dependencies `needs` have unknown outputs. The reason contains
/// every change, including those that may follow from what these tasks make.
pub fn may_run(ctx: &Context<'_>, id: TaskId, deps: &Dependencies, needs: Vec<String>, forced: bool) -> Done {
    let task = ctx.workspace.task(id);
    if let Some(why) = in_any_case(ctx, task, forced).filter(|_| task.server.is_none()) {
        let mut done = Done::new(id, Outcome::WouldRun);
        done.reason = Some(why);
        return done;
    }
    let own = || {
        let old = last(ctx, task).and_then(|last| parts(ctx, &last))?;
        // If preparing fails, a dependency may still fix what is wrong with the inputs.
        let prepared = prepare(ctx, task, task.command.as_ref()?, deps).ok()?;
        let mut changes = changes_since(ctx, &old, &prepared);
        changes.retain(|change| !prepared.unknown_tools.iter().any(|tool| tool.as_bytes() == change.name));
        locate(&mut changes, &ctx.contents);
        Some(changes)
    };
    let mut done = Done::new(id, Outcome::MayRun);
    done.reason = Some(Why::Needs { tasks: needs, changes: own().unwrap_or_default() });
    done
}

/// Returns why it is unknown whether a task would run.
pub fn unknown_tools(ctx: &Context<'_>, task: &Task, prepared: &Prepared) -> Why {
    // If the parts of the last result are known, these tools are not among them.
    let never_asked = last(ctx, task).is_none_or(|last| parts(ctx, &last).is_some());
    Why::UnknownTools { tools: prepared.unknown_tools.clone(), never_asked }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Why::Always => "it always runs",
            Why::Forced => "--force",
            Why::NoCache => "--no-cache",
            Why::FirstTime => "it never succeeded here",
            Why::NoResult => "no run of it here has left a result",
            Why::FirstResult => "it had no result here before",
            Why::Changed(changes) => return f.write_str(&summary(changes).unwrap_or_default()),
            Why::TooOld { age: Some(age), valid_for } => {
                return write!(f, "its result is {} old, valid_for is {}", format_age(*age), format_age(*valid_for));
            }
            Why::TooOld { age: None, .. } => "its result is of a time to come: the clock was set back",
            Why::Tied(tied) => return write!(f, "a result fits, but {tied}"),
            Why::Needs { tasks, changes } => {
                let own = summary(changes).map(|own| format!("{own}; ")).unwrap_or_default();
                return write!(f, "{own}it depends on {}", first_few(tasks));
            }
            Why::UnknownTools { tools, never_asked: true } => {
                return write!(f, "the answer of {} is unknown: no result of the task here has one", first_few(tools));
            }
            Why::UnknownTools { tools, never_asked: false } => {
                return write!(f, "the last answer of {} is not in the store any more", first_few(tools));
            }
            Why::ResultGone => "its result is not in the store",
            Why::NotHere => "it differs from its last result, which was left on the remote",
            Why::NotKept { output, gone } => {
                let what = if *gone { "is gone" } else { "has changed" };
                return write!(f, "its output {} {what}, and the store does not keep it", shown_bytes(output));
            }
            Why::ResultBroken => "its result is in the store, but not all that belongs to it",
            Why::StoreUnreadable => "the store cannot be read",
            Why::Unknown => "the reason is not known",
        })
    }
}

/// Returns the parts of a fingerprint together with discovered inputs, in the form of a record.
fn with(prepared: &Prepared, discovered: &Discovered) -> Parts {
    Parts::decode(&prepared.parts.record(discovered)).unwrap_or_default()
}
