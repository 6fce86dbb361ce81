//! The keys of a file, of `[workspace]` and of `[cache]`.

use super::sections::{Pools, Subtable, Tasks};
use super::table::{ANY, SETTING, keys};
use super::types::{Directory, Fraction, JobserverForm, MaxAge, MaxSize, Texts, Variables};

keys! {
    /// The tables of a file.
    FileKeys, FILE:
    workspace: Subtable<WorkspaceKeys>, SETTING.root_only(),
        "Settings of the whole workspace. Only in the root file.";
    cache: Subtable<CacheKeys>, SETTING.root_only(),
        "The location of the store, and its limits of size and age. Only in the root file.";
    pools: Pools, SETTING.root_only(),
        "Every key is the name of a pool, and its value how many of the pool's tasks may run at a time. Only in the \
         root file.";
    task: Tasks, SETTING,
        "[task.NAME]: a command with its inputs and outputs, or a group of `deps`.";
}

keys! {
    /// `[workspace]`.
    WorkspaceKeys, WORKSPACE:
    members: Texts, SETTING,
        "Directories with a percache.toml of their own, as patterns; `!` excludes. Their tasks are named \
         `directory:task`.";
    default: Texts, SETTING,
        "The tasks that a bare `percache build` builds: names, or globs over names. Default: all tasks.";
    env: Variables, ANY,
        "Variables set for every command, part of every fingerprint. A task's own `env` wins.";
    jobserver: JobserverForm, SETTING,
        "`true` or `\"pipe\"`: percache is a GNU make jobserver for its commands, so that nested make and cargo share \
         the budget of `-j`. `\"fifo\"`: the same in the form that ninja supports from 1.13 and make only from 4.4. \
         Default: `false`.";
    follow: Texts, SETTING,
        "Directories of outputs that may be symlinks out of the workspace, for example to another disk: outputs below \
         them are written, restored and removed where the symlinks lead. Default: none.";
}

keys! {
    /// `[cache]`, with units parsed.
    CacheKeys, CACHE:
    dir: Directory, SETTING.default(r#"".percache""#),
        "The directory of the store; may be absolute. Default: `.percache` beside this file or, in a linked git \
         worktree, beside the main worktree's.";
    maxage: MaxAge, SETTING.default(r#""30d""#),
        "gc removes results that were not used for this long. `90s`, `30m`, `12h`, `30d`, `2w`, or a number of \
         seconds. Default: `30d`.";
    maxsize: MaxSize, SETTING.default(r#""20GiB""#),
        "gc then removes the least recently used results until the store is below this size. `500MB`, `2GiB`, or a \
         number of bytes. Default: `20GiB`.";
    check_rate: Fraction, SETTING.default("0"),
        "The share of tasks with stored results, chosen anew in each build, that run anyway, so that their outputs \
         are compared with the stored ones. From 0 to 1; `1` is all. Default: `0`.";
}
