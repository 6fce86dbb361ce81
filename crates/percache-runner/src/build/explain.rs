//! Why a task runs: what differs between now and the result that its outputs in the tree belong to.

use crate::build::context::Context;
use crate::build::inputs::Prepared;
use crate::build::lookup::observe_all;
use crate::build::remembered::{last, parts};
use crate::changes::{Change, compare, locate, summary};
use crate::fingerprint::{Discovered, Parts};
use crate::model::Task;

/// A line names no more tasks or tools than this.
const NAMED: usize = 3;

/// What is known of why a task has to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It always does: `cache = false`, or interactive.
    Always,
    /// It was asked for by `--force`.
    Forced,
    /// It never succeeded here.
    FirstTime,
    /// This differs from the last run here.
    Changed(Vec<Change>),
    /// Nothing differs: its result was removed from the store, failed to be stored, or is too old.
    ResultGone,
    /// What it depended on the last time is not known any more.
    Unknown,
    /// In a dry run: these tasks, which it needs, would run, and what they would make is not known.
    Needs(Vec<String>),
    /// In a dry run: these tools are not run, and what they would say is not known.
    UnknownTools {
        /// Their commands.
        tools: Vec<String>,
        /// Whether they never ran here for this task.
        never_ran: bool,
    },
}

/// Finds out why.
pub fn why(ctx: &Context<'_>, task: &Task, prepared: &Prepared, forced: bool) -> Why {
    if !task.cache || task.interactive {
        return Why::Always;
    }
    if forced {
        return Why::Forced;
    }
    let Some(last) = last(ctx, task) else { return Why::FirstTime };
    let Some(old) = parts(ctx, &last) else { return Why::Unknown };
    let record = ctx.journal.tasks.get(&task.name);
    let paths = record.map(|record| record.discovered.clone()).unwrap_or_default();
    let discovered = observe_all(ctx, paths).unwrap_or_default();
    let mut changes = compare(&old, &with(prepared, &discovered));
    if changes.is_empty() {
        return Why::ResultGone;
    }
    locate(&mut changes, &ctx.contents);
    Why::Changed(changes)
}

/// Why nobody knows whether a task would run.
pub fn unknown_tools(ctx: &Context<'_>, task: &Task, prepared: &Prepared) -> Why {
    // What the last run depended on is known, and they are not among it.
    let never_ran = last(ctx, task).is_none_or(|last| parts(ctx, &last).is_some());
    Why::UnknownTools { tools: prepared.unknown_tools.clone(), never_ran }
}

/// The first few, quoted, and how many more there are.
fn list(names: &[String]) -> String {
    let first: Vec<_> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(NAMED);
    first.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Why::Always => "it always runs",
            Why::Forced => "--force",
            Why::FirstTime => "it never succeeded here",
            Why::Changed(changes) => return f.write_str(&summary(changes).unwrap_or_default()),
            Why::Needs(tasks) => return write!(f, "it depends on {}", list(tasks)),
            Why::UnknownTools { tools, never_ran: true } => {
                return write!(f, "the answer of {} is unknown: it never ran here", list(tools));
            }
            Why::UnknownTools { tools, never_ran: false } => {
                return write!(f, "the last answer of {} is not in the store any more", list(tools));
            }
            Why::ResultGone => "its result is not in the store",
            Why::Unknown => "what it depended on the last time is not in the store any more",
        })
    }
}

/// The parts of a fingerprint together with discovered inputs, as a record has them.
fn with(prepared: &Prepared, discovered: &Discovered) -> Parts {
    Parts::decode(&prepared.parts.record(discovered)).unwrap_or_default()
}
