//! The keys of a file, of `[workspace]` and of `[cache]`.

use super::remote::RemoteKeys;
use super::sections::{Pools, Subtable, Tasks, Templates};
use super::table::{ANY, Files, SETTING, keys};
use super::types::{Directory, Fraction, JobserverForm, MaxAge, MaxSize, Members, Shell, Texts, Variables};

keys! {
    /// The tables of a file.
    FileKeys, FILE:
    include: Texts, SETTING.files(Files::Main),
        "Files with further tasks and templates, as patterns. What they state counts as if it stood in this file: names \
         and paths too.";
    workspace: Subtable<WorkspaceKeys>, SETTING.files(Files::Root),
        "Settings of the whole workspace. Only in the root file.";
    cache: Subtable<CacheKeys>, SETTING.files(Files::Root),
        "The location of the store, and its limits of size and age. Only in the root file.";
    remote: Subtable<RemoteKeys>, SETTING.files(Files::Root),
        "Where results are shared with others: an object store, or a server of the Remote Execution API. Only in the \
         root file.";
    pools: Pools, SETTING.files(Files::Root),
        "Every key is the name of a pool, and its value what the pool's tasks may take of it together: how many of \
         them may run at a time, or a size such as `\"32GiB\"`. Only in the root file.";
    template: Templates, SETTING,
        "[template.NAME]: keys that tasks take over with `extends`. Those of the root file are known in members, too.";
    task: Tasks, SETTING,
        "[task.NAME]: a command with its inputs and outputs, or a group of `deps`.";
}

keys! {
    /// `[workspace]`.
    WorkspaceKeys, WORKSPACE:
    members: Members, SETTING,
        "Directories with a percache.toml of their own, as patterns; `!` excludes. Their tasks are named \
         `directory:task`. `\"npm\"`, `\"pnpm\"`, `\"yarn\"`, `\"bun\"`, `\"cargo\"`, `\"uv\"` or `\"go\"`, alone or in the \
         list: the packages of that ecosystem's workspace; then `deps` may name `^task`.";
    default: Texts, SETTING,
        "The tasks that a bare `percache build` builds: names, or globs over names. Default: all tasks.";
    env: Variables, ANY,
        "Variables set for every command, part of every fingerprint. A task's own `env` wins.";
    env_from: Texts, ANY,
        "Variables taken from the caller's environment for every command, part of every fingerprint. A task takes one \
         away with `!NAME`.";
    env_pass: Texts, SETTING,
        "Variables taken from the caller's environment for every command, not part of a fingerprint. A task takes one \
         away with `!NAME`.";
    tools: Texts, ANY,
        "Commands whose output is part of every fingerprint, like `node --version`. A task takes one away with \
         `!COMMAND`.";
    shell: Shell, ANY,
        "The shell that runs commands that are strings: a program and its arguments, to which the command is added. A \
         task's own `shell` wins. Default: `sh -e -c`.";
    inputs: Texts, ANY,
        "Patterns for files that are inputs of every task with a command, relative to the root. A task takes some away \
         with `!PATTERN`.";
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
