//! Makes a task of an instance: fills in every text and parses every value.
//!
//! Knows nothing of other tasks' names and of dependencies: those are resolved once all tasks exist.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bind::Bindings;
use super::expand::Instance;
use super::inputs::{check_first, external, inputs};
use super::keys::{RawCommand, check_variable, expect_age};
use super::late::{check_lists, late};
use super::pools::{StatedPool, uses};
use super::report::{At, Report};
use super::server::server;
use super::shell::is_shell;
use super::stated::{Stated, Text};
use crate::model::path::RelPath;
use crate::model::{LateCommand, Origin, Task, TaskCommand};
use crate::syntax::name_globs;
use crate::syntax::suggest::did_you_mean;

/// The settings that all tasks of a workspace share.
pub(super) struct Common<'c> {
    pub args: &'c [String],
    pub pools: &'c [StatedPool],
    /// `env` of `[workspace]`.
    pub env: &'c BTreeMap<String, String>,
    /// `follow` of `[workspace]`.
    pub follow: &'c [RelPath],
}

/// Makes the task of `instance` without its dependencies, and returns their names as well. Reports mistakes.
pub(super) fn build(
    common: &Common<'_>,
    stated: &Stated,
    instance: Instance,
    report: &mut Report,
) -> (Task, Vec<String>) {
    let (keys, axes) = (&stated.keys, instance.axes(stated));
    check_first(stated.outputs(), report);
    let bind = Bindings { base: &stated.dir, file: instance.file.as_ref(), axes: &axes, args: common.args };
    let cwd = keys.cwd.as_ref().and_then(|cwd| bind.path(cwd, report)).unwrap_or_else(|| stated.dir.clone());
    let env = set_variables(common, stated, &bind, &cwd, report);
    let mut tools = tools(&bind, stated, &cwd, report);
    tools.sort_unstable();
    tools.dedup();
    let (command, late) = command(&bind, stated, &cwd, report);
    let server = server(stated, &bind, &cwd, report);
    let ends = server.is_none();
    let task = Task {
        name: instance_name(stated, &instance, &axes),
        template: stated.name.clone(),
        description: keys.description.as_ref().map(|text| bind.text(text)),
        dir: stated.dir.clone(),
        command,
        late,
        takes_args: stated.takes_args(),
        inputs: inputs(stated, &bind, report),
        external: external(stated, &bind, report),
        discovery: instance.depfile.clone().into(),
        tools,
        tool_shell: tool_shell(stated, &bind, &cwd),
        env,
        env_from: variables(&bind, keys.env_from.as_deref(), report),
        env_pass: variables(&bind, keys.env_pass.as_deref(), report),
        env_file: keys.env_file.iter().flatten().filter_map(|path| bind.path(path, report)).collect(),
        deps: Vec::new(),
        inferred: Vec::new(),
        // A template may state these for the tasks that end by themselves.
        timeout: age("timeout", &bind, keys.timeout.as_ref(), report).filter(|_| ends),
        retries: keys.retries.filter(|_| ends).unwrap_or_default(),
        cache: keys.cache.as_ref().is_none_or(|cache| cache.value) && ends,
        store: keys.store.as_ref().is_none_or(|store| store.value),
        remote: keys.remote.unwrap_or_default(),
        valid_for: age("valid_for", &bind, keys.valid_for.as_ref(), report),
        answers: Vec::new(),
        apart: false,
        interactive: keys.interactive.as_ref().is_some_and(|interactive| interactive.value),
        server,
        uses: if ends { uses(common.pools, keys, &bind, report) } else { Vec::new() },
        origin: Origin { file: stated.at.file, span: stated.at.span.clone() },
        cwd,
        outputs: instance.outputs.following(common.follow),
    };
    if task.late.is_some() {
        check_lists(stated, &task, report);
    }
    (task, bind.texts(stated.deps()))
}

/// Returns the variables that are set for the command: those of `[workspace]` and of the task.
fn set_variables(
    common: &Common<'_>,
    stated: &Stated,
    bind: &Bindings<'_>,
    cwd: &RelPath,
    report: &mut Report,
) -> BTreeMap<String, String> {
    let mut env = common.env.clone();
    for (name, value) in stated.keys.env.iter().flatten() {
        match value {
            Some(value) => drop(env.insert(name.value.clone(), bind.text_for(value, cwd))),
            None if env.remove(&name.value).is_some() => {}
            None => {
                let hint = did_you_mean(&name.value, env.keys().map(String::as_str));
                let hint = hint.unwrap_or_else(|| "leave it out, or name what a template or [workspace] sets".into());
                let title = format!("`{} = false` takes nothing away", name.value);
                report.error(title, name.at.clone(), "is set by nothing before it").hint(hint);
            }
        }
    }
    env
}

/// Returns the shell of a task's tools: the task's own, if it is one that reads such commands.
fn tool_shell(stated: &Stated, bind: &Bindings<'_>, cwd: &RelPath) -> Vec<String> {
    let shell = stated.keys.shell.iter().flatten().map(|word| bind.text_for(word, cwd));
    let shell: Vec<String> = shell.filter(|_| stated.keys.tools.is_some()).collect();
    if shell.iter().any(|word| is_shell(word)) { shell } else { Vec::new() }
}

/// Returns the name of an instance, with files as seen from the file that defines the task: `objects[src/a.c]`,
/// `test[python=3.11]`, `t[src/a.c,python=3.11]`.
fn instance_name(stated: &Stated, instance: &Instance, axes: &[&str]) -> String {
    let file = instance.file.iter().map(|file| String::from_utf8_lossy(&file.relative_to(&stated.dir)).into_owned());
    let axes = stated.axes().iter().zip(axes).map(|(axis, value)| format!("{}={value}", axis.name.value));
    let parts: Vec<String> = file.chain(axes).collect();
    if parts.is_empty() { stated.name.clone() } else { format!("{}[{}]", stated.name, parts.join(",")) }
}

/// Fills in names of variables, or globs over them.
fn variables(bind: &Bindings<'_>, texts: Option<&[Text]>, report: &mut Report) -> Vec<String> {
    let texts = texts.unwrap_or_default();
    let names = take_away(texts, bind.texts(texts), report);
    for (text, name) in &names {
        check_variable(report, &At { value: name.clone(), at: text.at.clone() });
        if let Err(error) = name_globs::parse(name) {
            let hint = "`*` is any text: `CARGO_*`, `LC_{ALL,CTYPE}`".to_owned();
            let title = format!("`{name}` is not a valid glob");
            report.error(title, text.at.clone(), error.to_string()).hint(hint);
        }
    }
    names.into_iter().map(|(_, name)| name).collect()
}

/// Fills in the commands of `tools`.
fn tools(bind: &Bindings<'_>, stated: &Stated, cwd: &RelPath, report: &mut Report) -> Vec<String> {
    let texts = stated.keys.tools.as_deref().unwrap_or_default();
    let commands = texts.iter().map(|tool| bind.shell(tool, cwd, report)).collect();
    take_away(texts, commands, report).into_iter().map(|(_, command)| command).collect()
}

/// Removes what a later value with a `!` in front takes away, and returns the rest, each with its text. Reports a value
/// that takes nothing away. A `!` before a blank belongs to a shell.
fn take_away<'t>(texts: &'t [Text], values: Vec<String>, report: &mut Report) -> Vec<(&'t Text, String)> {
    let mut left: Vec<(&Text, String)> = Vec::with_capacity(values.len());
    for (text, value) in texts.iter().zip(values) {
        let Some(name) = value.strip_prefix('!').filter(|name| !name.starts_with(char::is_whitespace)) else {
            left.push((text, value));
            continue;
        };
        let before = left.len();
        left.retain(|(_, other)| other != name);
        if left.len() == before {
            let hint = did_you_mean(name, left.iter().map(|(_, other)| &other[..]));
            let hint = hint.unwrap_or_else(|| "leave it out, or name what a template or [workspace] states".to_owned());
            let title = format!("`{value}` takes nothing away");
            report.error(title, text.at.clone(), format!("there is no `{name}` before it")).hint(hint);
        }
    }
    left
}

/// Fills in the command. One that is a string becomes the last argument of the task's shell, if it has one.
fn command(
    bind: &Bindings<'_>,
    stated: &Stated,
    cwd: &RelPath,
    report: &mut Report,
) -> (Option<TaskCommand>, Option<LateCommand>) {
    let Some(command) = &stated.keys.command else { return (None, None) };
    let (RawCommand::Shell(text), Some(shell)) = (command, &stated.keys.shell) else {
        return (Some(bind.command(command, cwd, report)), late(stated, bind, None, cwd, report));
    };
    let mut words: Vec<String> = shell.iter().map(|word| bind.text_for(word, cwd)).collect();
    if text.template.fixed().is_none() && !words.iter().any(|word| is_shell(word)) {
        let title = format!("values cannot be quoted for `{}`", words.join(" "));
        let hint = "write the command as an array, whose elements need no quotes".to_owned();
        report.error(title, text.slot_place(0, report), "would be code in that language").hint(hint);
    }
    let late = late(stated, bind, Some(&words), cwd, report);
    words.push(bind.shell(text, cwd, report));
    (Some(TaskCommand::Argv(words)), late)
}

fn age(key: &str, bind: &Bindings<'_>, text: Option<&Text>, report: &mut Report) -> Option<Duration> {
    let text = text?;
    expect_age(report, key, &At { value: bind.text(text), at: text.at.clone() })
}
