//! The pools of a workspace, and what a task takes of them: `pool` and `uses`.
//!
//! Knows nothing of the machine: what that has is found out when a build begins.

use super::bind::Bindings;
use super::keys::TaskKeys;
use super::report::{At, Place, Report};
use super::stated::Text;
use crate::model::{Capacity, Pool, PoolId, Use};
use crate::syntax::suggest::did_you_mean;
use crate::syntax::units::{format_size, parse_size};

/// A pool, and where it is stated; that of the machine is stated nowhere.
pub(super) struct StatedPool {
    pub pool: Pool,
    at: Option<Place>,
}

/// Returns the pools of `[pools]`, and those of the machine that are not among them.
pub(super) fn all(stated: Vec<(At<String>, Capacity)>) -> Vec<StatedPool> {
    let named = |(name, capacity): (At<String>, Capacity)| StatedPool {
        pool: Pool { name: name.value, capacity },
        at: Some(name.at),
    };
    let mut pools: Vec<_> = stated.into_iter().map(named).collect();
    for (name, capacity) in [("cpu", Capacity::Cpus), ("mem", Capacity::Memory)] {
        if !pools.iter().any(|stated| stated.pool.name == name) {
            pools.push(StatedPool { pool: Pool { name: name.to_owned(), capacity }, at: None });
        }
    }
    pools
}

/// Returns what a task takes of pools, sorted. Reports mistakes.
pub(super) fn uses(pools: &[StatedPool], keys: &TaskKeys<Text>, bind: &Bindings<'_>, report: &mut Report) -> Vec<Use> {
    let mut uses = Vec::new();
    if let Some(text) = &keys.pool {
        let name = At { value: bind.text(text), at: text.at.clone() };
        uses.extend(find(pools, &name, report).and_then(|pool| member(pool, pools, &name, report)));
    }
    for (name, text) in keys.uses.iter().flatten() {
        let amount = At { value: bind.text(text), at: text.at.clone() };
        let Some(pool) = find(pools, name, report) else { continue };
        if let Some(first) = keys.pool.as_ref().filter(|_| uses.iter().any(|other: &Use| other.pool == pool)) {
            let title = format!("`uses` and `pool` both name `{}`", name.value);
            let hint = "leave `pool` out: a task of a pool takes 1 of it".to_owned();
            report.error(title, name.at.clone(), "is named again here").also(&first.at, "named first").hint(hint);
            continue;
        }
        let stated = &pools[pool.0 as usize];
        if let Some(amount) = parse(stated, &amount, report).filter(|value| fits(stated, *value, &amount, report)) {
            uses.push(Use { pool, amount });
        }
    }
    uses.sort_unstable();
    uses
}

fn find(pools: &[StatedPool], name: &At<String>, report: &mut Report) -> Option<PoolId> {
    if let Some(position) = pools.iter().position(|stated| stated.pool.name == name.value) {
        return Some(PoolId(position as u32));
    }
    let hint = did_you_mean(&name.value, pools.iter().map(|stated| &stated.pool.name[..]));
    let hint = hint.unwrap_or_else(|| "state it in [pools] of the root file".to_owned());
    report.error(format!("there is no pool `{}`", name.value), name.at.clone(), "is not in [pools]").hint(hint);
    None
}

/// Returns what a task takes of the pool that it belongs to.
fn member(pool: PoolId, pools: &[StatedPool], name: &At<String>, report: &mut Report) -> Option<Use> {
    let stated = &pools[pool.0 as usize];
    if !stated.pool.capacity.is_size() {
        return Some(Use { pool, amount: 1 });
    }
    let hint = format!("say how much of it the task takes: `uses = {{ {} = \"1GiB\" }}`", name.value);
    let title = format!("the pool `{}` is a size, and not a number of tasks", name.value);
    also(report.error(title, name.at.clone(), "does not say how much"), stated).hint(hint);
    None
}

/// Parses an amount of a pool. Reports one that is no amount of this pool.
fn parse(stated: &StatedPool, amount: &At<String>, report: &mut Report) -> Option<u64> {
    let (name, text) = (&stated.pool.name, &amount.value);
    let count: Option<u64> = text.parse().ok();
    let has_unit = text.ends_with(|char: char| char.is_ascii_alphabetic());
    let size = parse_size(text).ok().filter(|_| has_unit);
    let (title, label, hint) = match (stated.pool.capacity.is_size(), count, size) {
        (false, Some(count), _) if count > 0 => return Some(count),
        (true, _, Some(size)) if size > 0 => return Some(size),
        // Nothing can be taken of it in any unit.
        (true, Some(0), _) => (
            format!("`{text}` is no amount of the pool `{name}`"),
            "is nothing",
            format!("`{name} = \"8GiB\"`, or leave it out"),
        ),
        (false, None, Some(_)) => {
            (format!("`{text}` is a size, and the pool `{name}` is a number"), "is a size", format!("`{name} = 1`"))
        }
        (true, Some(_), _) => {
            let title = format!("`{text}` is a number, and the pool `{name}` is a size");
            (title, "has no unit", format!("`{name} = \"{text}GiB\"`"))
        }
        (is_size, ..) => {
            let example = if is_size { format!("`{name} = \"8GiB\"`") } else { format!("`{name} = 1`") };
            (format!("`{text}` is no amount of the pool `{name}`"), "cannot be taken of it", example)
        }
    };
    also(report.error(title, amount.at.clone(), label), stated).hint(format!("write {hint}"));
    None
}

/// Returns whether a pool has this much. Reports it if not: the task could never run. What the machine has is another
/// matter on each: there, the task runs while no other takes anything of the pool.
fn fits(stated: &StatedPool, value: u64, amount: &At<String>, report: &mut Report) -> bool {
    let (has, shown) = match stated.pool.capacity {
        Capacity::Count(has) => (has, has.to_string()),
        Capacity::Bytes(has) => (has, format_size(has)),
        Capacity::Cpus | Capacity::Memory => return true,
    };
    if value <= has {
        return true;
    }
    let title = format!("a task takes `{}` of the pool `{}`, which has {shown}", amount.value, stated.pool.name);
    let hint = "take less, or give the pool more: such a task could never run".to_owned();
    also(report.error(title, amount.at.clone(), "is more than there is"), stated).hint(hint);
    false
}

/// Adds the place where a pool is stated.
fn also<'r>(mistake: super::report::Mistake<'r>, stated: &StatedPool) -> super::report::Mistake<'r> {
    match &stated.at {
        Some(at) => mistake.also(at, "the pool"),
        None => mistake,
    }
}
