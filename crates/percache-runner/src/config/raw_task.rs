//! `[task.NAME]` as written: every value with its place, types checked, nothing resolved.
//!
//! Knows the keys of a task. Does not know other tasks, the file system or placeholders.

use toml::Spanned;
use toml::de::DeValue;

use super::placeholder::is_word;
use super::reader::{Fields, wrong_type};
use super::report::{At, Place, Report};
use crate::syntax::suggest::nearest;

/// One `[task.NAME]`.
#[derive(Debug)]
pub(super) struct RawTask {
    pub name: At<String>,
    pub description: Option<At<String>>,
    pub command: Option<At<RawCommand>>,
    pub foreach: Option<Vec<At<String>>>,
    pub matrix: Vec<Axis>,
    pub inputs: Option<Vec<At<String>>>,
    pub outputs: Vec<At<String>>,
    pub deps: Vec<At<String>>,
    pub depfile: Option<At<String>>,
    pub tools: Vec<At<String>>,
    pub env: Vec<(At<String>, At<String>)>,
    pub env_from: Vec<At<String>>,
    pub env_pass: Vec<At<String>>,
    pub env_file: Vec<At<String>>,
    pub timeout: Option<At<String>>,
    pub valid_for: Option<At<String>>,
    pub retries: u32,
    pub cache: bool,
    pub interactive: bool,
    pub cwd: Option<At<String>>,
    pub pool: Option<At<String>>,
}

/// `command` as written.
#[derive(Debug)]
pub(super) enum RawCommand {
    Shell(String),
    Argv(Vec<At<String>>),
}

/// One axis of `matrix`.
#[derive(Debug)]
pub(super) struct Axis {
    pub name: At<String>,
    pub values: Vec<At<String>>,
}

/// What `{…}` already means in every task.
pub(super) const RESERVED: [&str; 6] = ["file", "dir", "name", "stem", "ext", "args"];

/// Reads the tables below `[task]`.
pub(super) fn read_tasks(
    report: &mut Report,
    file: usize,
    tables: Vec<(At<String>, Spanned<DeValue<'_>>)>,
    broken: bool,
) -> Vec<RawTask> {
    let read = tables.into_iter().filter_map(|(name, value)| {
        check_name(report, file, &name);
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => {
                let what = format!("[task.{}]", name.value);
                let mut fields = Fields::new(report, file, what, table);
                // In a file that is not TOML the command may be what was not understood.
                if !broken {
                    check_has_something_to_do(&mut fields, &name);
                }
                Some(read_task(fields, name))
            }
            other => {
                wrong_type(report, file, &format!("task.{}", name.value), span, "a table", &other);
                None
            }
        }
    });
    read.collect()
}

/// Keys that say how a command runs and what it leaves: without a command they mean nothing.
pub(super) const NEED_COMMAND: [&str; 15] = [
    "inputs",
    "outputs",
    "depfile",
    "tools",
    "env",
    "env_from",
    "env_pass",
    "env_file",
    "timeout",
    "retries",
    "cache",
    "valid_for",
    "interactive",
    "cwd",
    "pool",
];

fn read_task(mut fields: Fields<'_, '_>, name: At<String>) -> RawTask {
    let written = fields.keys();
    let interactive = fields.boolean("interactive").is_some_and(|at| at.value);
    let cache = fields.boolean("cache");
    check_never_stored(&mut fields, &name.value, &written, interactive, cache.as_ref());
    let task = RawTask {
        description: fields.string("description"),
        command: read_command(&mut fields),
        foreach: fields.one_or_more("foreach"),
        matrix: read_matrix(&mut fields),
        inputs: fields.strings("inputs"),
        outputs: fields.strings("outputs").unwrap_or_default(),
        deps: fields.strings("deps").unwrap_or_default(),
        depfile: fields.string("depfile"),
        tools: fields.strings("tools").unwrap_or_default(),
        env: fields.string_table("env").unwrap_or_default(),
        env_from: fields.strings("env_from").unwrap_or_default(),
        env_pass: fields.strings("env_pass").unwrap_or_default(),
        env_file: fields.strings("env_file").unwrap_or_default(),
        timeout: fields.string_or_integer("timeout"),
        valid_for: fields.string_or_integer("valid_for"),
        retries: fields.count("retries", 0).map_or(0, |count| count.value),
        cache: cache.is_none_or(|at| at.value),
        interactive,
        cwd: fields.string("cwd"),
        pool: fields.string("pool"),
        name,
    };
    fields.finish();
    task
}

fn read_command(fields: &mut Fields<'_, '_>) -> Option<At<RawCommand>> {
    let value = fields.take("command")?;
    let span = value.span();
    let (command, empty) = match value.into_inner() {
        DeValue::String(text) => {
            let empty = text.trim().is_empty();
            (RawCommand::Shell(text.into_owned()), empty)
        }
        DeValue::Array(items) => {
            let count = items.len();
            let argv: Vec<_> = items.into_iter().filter_map(|item| fields.expect_string("command", item)).collect();
            let empty = count == 0 || argv.first().is_some_and(|program| program.value.is_empty());
            (RawCommand::Argv(argv), empty)
        }
        other => {
            fields.wrong_type("command", span, "a string or an array of strings", &other);
            return None;
        }
    };
    if empty {
        let hint = "leave `command` out to make a group of `deps`".to_owned();
        fields.error("the command is empty", &span, "names no program").hint(hint);
    }
    Some(At { value: command, span })
}

fn read_matrix(fields: &mut Fields<'_, '_>) -> Vec<Axis> {
    let Some(axes) = fields.table("matrix") else { return Vec::new() };
    let mut read: Vec<Axis> = axes.into_iter().filter_map(|(name, value)| read_axis(fields, name, value)).collect();
    read.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    read
}

fn read_axis(fields: &mut Fields<'_, '_>, name: At<String>, value: Spanned<DeValue<'_>>) -> Option<Axis> {
    if !is_word(&name.value) {
        let hint = "use letters, digits, `_` and `-`, not beginning with a digit or `-`".to_owned();
        let title = format!("`{}` cannot be an axis", name.value);
        fields.error(title, &name.span, "could not stand between braces").hint(hint);
    }
    if RESERVED.contains(&name.value.as_str()) {
        let title = format!("`{}` cannot be an axis", name.value);
        let hint = format!("name it differently, for example `a_{}`", name.value);
        fields.error(title, &name.span, format!("`{{{}}}` already has a meaning", name.value)).hint(hint);
    }
    let what = format!("matrix.{}", name.value);
    let span = value.span();
    let items = match value.into_inner() {
        DeValue::Array(items) => items,
        other => {
            fields.wrong_type(&what, span, "an array", &other);
            return None;
        }
    };
    if items.is_empty() {
        let hint = "give it at least one value".to_owned();
        fields.error(format!("axis `{}` has no values", name.value), &span, "makes no task at all").hint(hint);
    }
    let mut values: Vec<At<String>> = Vec::with_capacity(items.len());
    for item in items {
        let Some(value) = axis_value(fields, &what, item) else { continue };
        if let Some(first) = values.iter().find(|first| first.value == value.value) {
            let first = fields.place(&first.span);
            let title = format!("axis `{}` has the value `{}` twice", name.value, value.value);
            let hint = "leave one of them out".to_owned();
            fields.error(title, &value.span, "stands here again").also(&first, "first stated here").hint(hint);
        } else {
            values.push(value);
        }
    }
    Some(Axis { name, values })
}

/// The text of one value of an axis: numbers and booleans as they are written.
fn axis_value(fields: &mut Fields<'_, '_>, what: &str, item: Spanned<DeValue<'_>>) -> Option<At<String>> {
    let span = item.span();
    let value = match item.into_inner() {
        DeValue::String(text) => text.into_owned(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        other => {
            fields.wrong_type(what, span, "a string, a number or a boolean", &other);
            return None;
        }
    };
    if value.is_empty() || value.chars().any(char::is_control) {
        let hint = "it becomes part of the task's name: write a text of one line".to_owned();
        fields.error("this cannot be the value of an axis", &span, "is empty or has control characters").hint(hint);
        return None;
    }
    Some(At { value, span })
}

/// Names stand in messages, on command lines and in `deps`, where `:`, `[`, `]`, `*`, `?` and `!` have a meaning.
fn check_name(report: &mut Report, file: usize, name: &At<String>) {
    let fits = |c: char| c.is_alphanumeric() || "_-./+@".contains(c);
    if !name.value.is_empty() && name.value.chars().all(fits) && !name.value.starts_with('-') {
        return;
    }
    let at = Place { file, span: name.span.clone() };
    let hint = "use letters, digits and `_ - . / + @`, not beginning with `-`".to_owned();
    report.error(format!("`{}` cannot be a task's name", name.value), at, "is not a valid name").hint(hint);
}

fn check_never_stored(
    fields: &mut Fields<'_, '_>,
    name: &str,
    written: &[At<String>],
    interactive: bool,
    cache: Option<&At<bool>>,
) {
    if let Some(at) = cache.filter(|cache| cache.value && interactive) {
        let title = format!("task `{name}` is interactive and cannot be cached");
        fields.error(title, &at.span, "an interactive task is never stored").hint("leave `cache` out".to_owned());
    }
    let stored = !interactive && cache.is_none_or(|at| at.value);
    if let Some(at) = written.iter().find(|at| at.value == "valid_for" && !stored) {
        let title = format!("task `{name}` is never stored, so `valid_for` has no effect");
        fields.error(title, &at.span, "speaks of stored results").hint("leave it out".to_owned());
    }
}

fn check_has_something_to_do(fields: &mut Fields<'_, '_>, name: &At<String>) {
    let written = fields.keys();
    let has = |key: &str| written.iter().any(|at| at.value == key);
    if has("command") {
        return;
    }
    // A key that is almost one of the two is reported as unknown.
    if written.iter().any(|at| nearest(&at.value, ["command", "deps"]).is_some()) {
        return;
    }
    let mut idle = !has("deps");
    for key in written.iter().filter(|key| NEED_COMMAND.contains(&key.value.as_str())) {
        let title = format!("task `{}` has `{}` but no `command`", name.value, key.value);
        let hint = "only a task that runs something has it; a task without `command` is a group of `deps`".to_owned();
        fields.error(title, &key.span, "means nothing without a command").hint(hint);
        idle = false;
    }
    if idle {
        let title = format!("task `{}` has nothing to do", name.value);
        let hint = "give it a `command`, or `deps` to make it a group".to_owned();
        fields.error(title, &name.span, "has neither `command` nor `deps`").hint(hint);
    }
}
