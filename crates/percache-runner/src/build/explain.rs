//! Why a task runs: what differs between now and the result that its outputs in the tree belong to.

use crate::build::context::Context;
use crate::build::inputs::Prepared;
use crate::build::lookup::observe_all;
use crate::changes::{Change, compare, summary};
use crate::fingerprint::{Discovered, Parts};
use crate::model::Task;

use percache::store::record::ResultKey;

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
}

/// Finds out why.
pub fn why(ctx: &Context<'_>, task: &Task, prepared: &Prepared, forced: bool) -> Why {
    if !task.cache || task.interactive {
        return Why::Always;
    }
    if forced {
        return Why::Forced;
    }
    let record = ctx.journal.tasks.get(&task.name);
    let Some(last) = record.and_then(|record| record.key.or(record.previous)) else { return Why::FirstTime };
    let Some(old) = parts(ctx, &last) else { return Why::Unknown };
    let paths = record.map(|record| record.discovered.clone()).unwrap_or_default();
    let discovered = observe_all(ctx, paths).unwrap_or_default();
    match compare(&old, &with(prepared, &discovered)) {
        changes if changes.is_empty() => Why::ResultGone,
        changes => Why::Changed(changes),
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Why::Always => "it always runs",
            Why::Forced => "--force",
            Why::FirstTime => "it never succeeded here",
            Why::Changed(changes) => return f.write_str(&summary(changes).unwrap_or_default()),
            Why::Needs(tasks) => return write!(f, "it depends on {}", tasks.join(", ")),
            Why::ResultGone => "its result is not in the store",
            Why::Unknown => "what it depended on the last time is not in the store any more",
        })
    }
}

/// What was hashed for a result.
pub fn parts(ctx: &Context<'_>, key: &ResultKey) -> Option<Parts> {
    let bytes = ctx.or_trouble(ctx.store?.parts(key))??;
    ctx.or_trouble(Parts::decode(&bytes))
}

/// The parts of a fingerprint together with discovered inputs, as a record has them.
fn with(prepared: &Prepared, discovered: &Discovered) -> Parts {
    Parts::decode(&prepared.parts.record(discovered)).unwrap_or_default()
}
