//! The keys of `[task.NAME]`.
//!
//! A new key is a line here, a field of [`Task`](crate::model::Task), a line in `build`, and what uses it.

use super::command::Command;
use super::matrix::Matrix;
use super::ready::ReadyWhen;
use super::remote::Sharing;
use super::table::{ANY, RUN, task_keys};
use super::types::{Age, Amounts, Count, Flag, OneOrMore, Path, Shell, Text, Texts, Variables};
use crate::config::stray::Form;

task_keys! {
    /// The keys of a task, with texts of type `T`.
    TaskKeys, TASK:
    extends: Texts, ANY,
        "Templates whose keys the task takes over, in order, before its own: arrays are appended, tables merged, and \
         everything else is replaced.";
    description: Text, ANY.not_hashed(),
        "A description in one line, for `percache list`.";
    command: Command, ANY.form(Form::Shell).args().lists(),
        "The command. A string runs under `sh -e -c`; an array is a program and its arguments, run without a shell. \
         `{file}`, `{dir}`, `{name}`, `{stem}`, `{ext}` (with `foreach`), axes of `matrix`, `{args}`, `{inputs}`, \
         `{outputs}` and `{deps}` are filled in. \
         Without a command the task is a group of `deps`.";
    shell: Shell, RUN.form(Form::Argument),
        "The shell that runs the command if it is a string: a program and its arguments, to which the command is \
         added. Default: that of `[workspace]`, or `sh -e -c`.";
    foreach: OneOrMore, ANY.axes_only(),
        "One or more patterns: one task per matching file, named `task[file]`.";
    matrix: Matrix, ANY,
        "One task per combination of the axes' values, named `task[axis=value]`; `{axis}` stands for the value in \
         every string of the task.";
    inputs: Texts, RUN.form(Form::Path),
        "Patterns for the files whose content matters; `!` excludes. Default: every file below this directory that \
         git tracks or would not ignore, except outputs; `@default` stands for these. `FILE#KEY`: only that part of a \
         JSON, TOML or YAML file. `[]`: none.";
    external: Texts, RUN.form(Form::Path),
        "Files outside of the workspace whose content matters: absolute paths, or paths that begin with `..`.";
    outputs: Texts, RUN.form(Form::Path),
        "Patterns for what the command makes: stored, and restored when missing or changed. A pattern without a \
         wildcard must exist after success. End a directory with `/`.";
    deps: Texts, ANY,
        "Tasks that must be done first: names, or globs over names. Their outputs are inputs, by content. `!NAME` takes \
         away what a template states.";
    depfile: Path, RUN.form(Form::Path),
        "A make-style depfile that the command writes (`cc -MD`): the files that it names become inputs.";
    tools: Texts, RUN.form(Form::Shell),
        "Commands whose output is part of the fingerprint, like `cc --version`. Each runs once per build, in the \
         task's `shell`.";
    env: Variables, RUN.form(Form::Argument).args(),
        "Variables set for the command, part of the fingerprint. Override all others. `NAME = false` takes away what a \
         template or `[workspace]` sets.";
    env_from: Texts, RUN,
        "Variables taken from the caller's environment, part of the fingerprint. Globs over names are allowed.";
    env_pass: Texts, RUN.not_hashed(),
        "Variables taken from the caller's environment, not part of the fingerprint. Globs over names are allowed.";
    env_file: Texts, RUN.form(Form::Path),
        "Files of `KEY=value` lines, set for the command, part of the fingerprint. Later files win.";
    timeout: Age, RUN.not_hashed(),
        "The command fails and is killed with its whole process group after this long. `90s`, `10m`, `1h`, or a \
         number of seconds.";
    valid_for: Age, RUN.not_hashed(),
        "Results older than this are not used, for commands that read the outside world. `12h`, `1d`, or a number of \
         seconds.";
    retries: Count, RUN.not_hashed().default("0"),
        "How many times the command is retried before the task counts as failed. Default: 0.";
    cache: Flag, RUN.not_hashed().default("true"),
        "`false`: the task always runs and is never stored. What depends on it goes by its outputs. Default: `true`.";
    store: Flag, RUN.not_hashed().default("true"),
        "`false`: the contents of the outputs are not kept in the store. The task is up to date while they lie there \
         unchanged, and runs again when they do not. Default: `true`.";
    remote: Sharing, RUN.not_hashed(),
        "`\"execute\"`: the command is executed remotely if `[remote.execution]` names a server. `\"cache\"`: it runs \
         here, and its results are shared through the remote. `false`: it runs here, and its results stay here. \
         Default: like `\"execute\"`, or like `\"cache\"` with `cache = false`.";
    interactive: Flag, RUN.not_hashed().default("false"),
        "`true`: the task owns the terminal while it runs, and is never stored. Default: `false`.";
    persistent: Flag, RUN.not_hashed().default("false"),
        "`true`: a server, which runs until it is ended. It is started when a task that depends on it runs, and ended \
         after the last of them, or with Ctrl-C if it is named on the command line. It is never stored. Default: `false`.";
    ready: ReadyWhen, RUN.not_hashed(),
        "When a server is ready, so that what depends on it may start: `{ tcp = 3000 }`, \
         `{ http = \"http://localhost:3000/health\" }`, `{ log = \"listening\" }` or `{ command = \"…\" }`; \
         with `timeout`, by default `1m`. Default: as soon as it runs.";
    cwd: Text, RUN.form(Form::Path).default(r#"".""#),
        "The directory that the command runs in. Default: the directory of this file. Other paths of the task stay \
         relative to the file.";
    pool: Text, RUN.not_hashed(),
        "The pool that the task belongs to, a key of `[pools]` in the root file.";
    uses: Amounts, RUN.not_hashed(),
        "How much the task takes of pools while it runs: a number, or a size such as `\"8GiB\"`. `mem` and `cpu` are \
         pools of the machine unless `[pools]` states them.";
}
