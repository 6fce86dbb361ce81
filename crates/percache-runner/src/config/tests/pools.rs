//! What tasks take of pools, and outputs that are not kept.

use super::{mistakes, task, workspace};
use crate::model::Capacity;

const POOLS: &str = "[pools]\nheavy = 2\nram = \"1.5GiB\"\n";

fn uses(keys: &str) -> Vec<(String, u64)> {
    let made = workspace(&format!("{POOLS}[task.a]\ncommand = 'x'\n{keys}\n"), &[]);
    let named = |of: &crate::model::Use| (made.pools[of.pool.0 as usize].name.clone(), of.amount);
    task(&made, "a").uses.iter().map(named).collect()
}

#[test]
fn a_task_takes_numbers_and_sizes_of_pools() {
    let of = |pool: &str, amount| (pool.to_owned(), amount);
    assert_eq!(uses(""), []);
    assert_eq!(uses("pool = 'heavy'"), [of("heavy", 1)]);
    assert_eq!(uses("uses = { ram = '1 GiB', heavy = 2 }"), [of("heavy", 2), of("ram", 1 << 30)]);
    assert_eq!(uses("pool = 'heavy'\nuses = { mem = '1kB' }"), [of("heavy", 1), of("mem", 1000)]);
    assert_eq!(uses("pool = 'cpu'"), [of("cpu", 1)]);
}

#[test]
fn placeholders_may_stand_in_amounts() {
    let text = format!(
        "{POOLS}[task.a]\ncommand = 'x {{size}}'\nmatrix = {{ size = ['1GiB', '2kB'] }}\nuses = {{ ram = '{{size}}' }}\n"
    );
    let made = workspace(&text, &[]);
    assert_eq!(task(&made, "a[size=1GiB]").uses[0].amount, 1 << 30);
    assert_eq!(task(&made, "a[size=2kB]").uses[0].amount, 2000);
}

#[test]
fn the_pools_of_the_machine_are_there_unless_they_are_stated() {
    let pools = |text: &str| {
        let made = workspace(&format!("{text}\n[task.a]\ncommand = 'x'\n"), &[]);
        made.pools.into_iter().map(|pool| (pool.name, pool.capacity)).collect::<Vec<_>>()
    };
    let of = |pool: &str, capacity| (pool.to_owned(), capacity);
    assert_eq!(pools(""), [of("cpu", Capacity::Cpus), of("mem", Capacity::Memory)]);
    assert_eq!(
        pools("[pools]\nmem = '2GiB'\nb = 1"),
        [of("mem", Capacity::Bytes(2 << 30)), of("b", Capacity::Count(1)), of("cpu", Capacity::Cpus)]
    );
}

/// A template states what its tasks use; a task replaces an amount.
#[test]
fn uses_are_merged() {
    let text = format!(
        "{POOLS}[template.t]\nuses = {{ heavy = 1, ram = '1GiB' }}\n[task.a]\ncommand = 'x'\nextends = ['t']\n\
         uses = {{ heavy = 2 }}\n"
    );
    let made = workspace(&text, &[]);
    assert_eq!(task(&made, "a").uses.iter().map(|of| of.amount).collect::<Vec<_>>(), [2, 1 << 30]);
}

fn mistake(keys: &str) -> String {
    mistakes(&format!("{POOLS}[task.a]\ncommand = 'x'\noutputs = ['o']\n{keys}\n"), &[])
}

#[test]
fn what_cannot_be_taken_is_refused() {
    for (keys, title) in [
        ("uses = { hevy = 1 }", "there is no pool `hevy`"),
        ("uses = { heavy = 3 }", "a task takes `3` of the pool `heavy`, which has 2"),
        ("uses = { ram = '2GiB' }", "a task takes `2GiB` of the pool `ram`, which has 1.5 GiB"),
        ("uses = { ram = 1 }", "`1` is a number, and the pool `ram` is a size"),
        ("uses = { ram = '1' }", "`1` is a number, and the pool `ram` is a size"),
        ("uses = { heavy = '1MB' }", "`1MB` is a size, and the pool `heavy` is a number"),
        ("uses = { heavy = 0 }", "`0` is no amount of the pool `heavy`"),
        ("uses = { heavy = -1 }", "`-1` is no amount of the pool `heavy`"),
        ("uses = { ram = '0' }", "`0` is no amount of the pool `ram`"),
        ("uses = { ram = '0kB' }", "`0kB` is no amount of the pool `ram`"),
        ("uses = { ram = '1.5' }", "`1.5` is no amount of the pool `ram`"),
        ("uses = { ram = 'lots' }", "`lots` is no amount of the pool `ram`"),
        ("uses = { ram = 1.5 }", "`uses.ram` has the wrong type"),
        ("uses = { ram = true }", "`uses.ram` has the wrong type"),
        ("pool = 'ram'", "the pool `ram` is a size, and not a number of tasks"),
        ("pool = 'mem'", "the pool `mem` is a size, and not a number of tasks"),
        ("pool = 'heavy'\nuses = { heavy = 1 }", "`uses` and `pool` both name `heavy`"),
        ("store = 1", "`store` has the wrong type"),
        ("store = false\ncache = false", "task `a` is never stored, so `store` has no effect"),
        ("store = false\ninteractive = true", "task `a` is never stored, so `store` has no effect"),
    ] {
        let found = mistake(keys);
        assert!(found.starts_with(&format!("error: {title}\n")), "{keys}: {found}");
        assert_eq!(found.matches("error:").count(), 1, "{found}");
    }
    // A template may state it for tasks that have outputs, and for others.
    let of_template = "[template.t]\nstore = false\n[task.a]\ncommand = 'x'\nextends = ['t']\n";
    assert!(!task(&workspace(of_template, &[]), "a").store);
}

#[test]
fn a_mistake_about_a_pool_shows_both_places() {
    let found = mistake("uses = { heavy = 3 }");
    let said = r#"error: a task takes `3` of the pool `heavy`, which has 2
  percache.toml:7:18 <3> is more than there is
  percache.toml:2:1 <heavy> the pool
hint: take less, or give the pool more: such a task could never run"#;
    assert_eq!(found, said);
}
