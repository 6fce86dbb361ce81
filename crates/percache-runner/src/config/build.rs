//! Makes a task of an instance: fills in every text and parses every value.
//!
//! Knows nothing of other tasks' names and of dependencies: those are resolved once all tasks exist.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bind::Bindings;
use super::expand::Instance;
use super::keys::{check_variable, expect_age};
use super::placeholder::Piece;
use super::report::{At, Report};
use super::stated::{Stated, Text};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::{Inputs, Origin, Pool, PoolId, Task};
use crate::syntax::name_globs;
use crate::syntax::suggest::did_you_mean;

/// The settings that all tasks of a workspace share.
pub(super) struct Common<'c> {
    pub args: &'c [String],
    pub pools: &'c [Pool],
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
    let bind = Bindings { base: &stated.dir, file: instance.file.as_ref(), axes: &axes, args: common.args };
    let cwd = keys.cwd.as_ref().and_then(|cwd| bind.path(cwd, report)).unwrap_or_else(|| stated.dir.clone());
    let mut env = common.env.clone();
    env.extend(keys.env.iter().flatten().map(|(name, value)| (name.value.clone(), bind.text_for(value, &cwd))));
    let mut tools: Vec<String> = keys.tools.iter().flatten().map(|tool| bind.shell(tool, &cwd, report)).collect();
    tools.sort_unstable();
    tools.dedup();
    let task = Task {
        name: instance_name(stated, &instance, &axes),
        template: stated.name.clone(),
        description: keys.description.as_ref().map(|text| bind.text(text)),
        dir: stated.dir.clone(),
        command: keys.command.as_ref().map(|command| bind.command(command, &cwd, report)),
        takes_args: stated.takes_args(),
        inputs: inputs(stated, &bind, report),
        depfile: instance.depfile.clone(),
        tools,
        env,
        env_from: variables(&bind, keys.env_from.as_deref(), report),
        env_pass: variables(&bind, keys.env_pass.as_deref(), report),
        env_file: keys.env_file.iter().flatten().filter_map(|path| bind.path(path, report)).collect(),
        deps: Vec::new(),
        inferred: Vec::new(),
        timeout: age("timeout", &bind, keys.timeout.as_ref(), report),
        retries: keys.retries.unwrap_or_default(),
        cache: keys.cache.as_ref().is_none_or(|cache| cache.value),
        valid_for: age("valid_for", &bind, keys.valid_for.as_ref(), report),
        answers: Vec::new(),
        apart: false,
        interactive: keys.interactive.as_ref().is_some_and(|interactive| interactive.value),
        pool: keys.pool.as_ref().and_then(|pool| find_pool(common.pools, &bind, pool, report)),
        origin: Origin { file: stated.at.file, span: stated.at.span.clone() },
        cwd,
        outputs: instance.outputs.following(common.follow),
    };
    (task, bind.texts(stated.deps()))
}

/// Returns the name of an instance, with files as seen from the file that defines the task: `objects[src/a.c]`,
/// `test[python=3.11]`, `t[src/a.c,python=3.11]`.
fn instance_name(stated: &Stated, instance: &Instance, axes: &[&str]) -> String {
    let file = instance.file.iter().map(|file| String::from_utf8_lossy(&file.relative_to(&stated.dir)).into_owned());
    let axes = stated.axes().iter().zip(axes).map(|(axis, value)| format!("{}={value}", axis.name.value));
    let parts: Vec<String> = file.chain(axes).collect();
    if parts.is_empty() { stated.name.clone() } else { format!("{}[{}]", stated.name, parts.join(",")) }
}

fn inputs(stated: &Stated, bind: &Bindings<'_>, report: &mut Report) -> Inputs {
    check_first(stated.outputs(), report);
    let Some(texts) = &stated.keys.inputs else {
        // A group reads nothing.
        return if stated.keys.command.is_some() { Inputs::Default } else { Inputs::Patterns(PatternSet::default()) };
    };
    check_first(texts, report);
    Inputs::Patterns(bind.patterns(texts, report))
}

/// Reports an exclusion as the first pattern: it has nothing to exclude from, and was most likely meant to exclude from
/// everything.
fn check_first(texts: &[Text], report: &mut Report) {
    let Some(Piece::Text(written)) = texts.first().and_then(|text| text.template.pieces().first()) else { return };
    if written.starts_with('!') {
        let hint = "begin with a pattern that adds: `\".\"` is everything in the directory".to_owned();
        let title = "the first pattern takes away from nothing";
        report.error(title, texts[0].at.clone(), "has nothing before it").hint(hint);
    }
}

/// Fills in names of variables, or globs over them.
fn variables(bind: &Bindings<'_>, texts: Option<&[Text]>, report: &mut Report) -> Vec<String> {
    let texts = texts.unwrap_or_default();
    let names = bind.texts(texts);
    for (text, name) in texts.iter().zip(&names) {
        check_variable(report, &At { value: name.clone(), at: text.at.clone() });
        if let Err(error) = name_globs::parse(name) {
            let hint = "`*` is any text: `CARGO_*`, `LC_{ALL,CTYPE}`".to_owned();
            let title = format!("`{name}` is not a valid glob");
            report.error(title, text.at.clone(), error.to_string()).hint(hint);
        }
    }
    names
}

fn age(key: &str, bind: &Bindings<'_>, text: Option<&Text>, report: &mut Report) -> Option<Duration> {
    let text = text?;
    expect_age(report, key, &At { value: bind.text(text), at: text.at.clone() })
}

fn find_pool(pools: &[Pool], bind: &Bindings<'_>, text: &Text, report: &mut Report) -> Option<PoolId> {
    let name = bind.text(text);
    if let Some(position) = pools.iter().position(|pool| pool.name == name) {
        return Some(PoolId(position as u32));
    }
    let hint = did_you_mean(&name, pools.iter().map(|pool| &pool.name[..]));
    let hint = hint.unwrap_or_else(|| "state it in [pools] of the root file".to_owned());
    report.error(format!("there is no pool `{name}`"), text.at.clone(), "is not in [pools]").hint(hint);
    None
}
