//! From an instance to a task: every text filled in, every value read.
//!
//! Knows nothing of names of other tasks and of dependencies: those are found when all tasks are there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bind::Bindings;
use super::expand::Instance;
use super::placeholder::Piece;
use super::raw::read_age;
use super::report::{At, Report};
use super::stated::{Stated, Text, check_variable};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::{Inputs, Origin, Pool, PoolId, Task};
use crate::syntax::suggest::did_you_mean;

/// What the tasks of a workspace have in common.
pub(super) struct Common<'c> {
    pub args: &'c [String],
    pub pools: &'c [Pool],
    /// `env` of `[workspace]`.
    pub env: BTreeMap<String, String>,
    /// `follow` of `[workspace]`.
    pub follow: &'c [RelPath],
}

/// The task that `instance` makes, without its dependencies, and the names of these. Mistakes are reported.
pub(super) fn build(
    common: &Common<'_>,
    stated: &Stated,
    instance: Instance,
    report: &mut Report,
) -> (Task, Vec<String>) {
    let axes = instance.axes(stated);
    let bind = Bindings { base: &stated.dir, file: instance.file.as_ref(), axes: &axes, args: common.args };
    let cwd = stated.cwd.as_ref().and_then(|cwd| bind.path(cwd, report)).unwrap_or_else(|| stated.dir.clone());
    let mut env = common.env.clone();
    env.extend(stated.env.iter().map(|(name, value)| (name.clone(), bind.text_for(value, &cwd))));
    let mut tools: Vec<String> = stated.tools.iter().map(|tool| bind.shell(tool, &cwd, report)).collect();
    tools.sort_unstable();
    tools.dedup();
    let task = Task {
        name: instance_name(stated, &instance, &axes),
        template: stated.name.clone(),
        description: stated.description.as_ref().map(|text| bind.text(text)),
        dir: stated.dir.clone(),
        command: stated.command.as_ref().map(|command| bind.command(command, &cwd, report)),
        takes_args: stated.takes_args(),
        inputs: inputs(stated, &bind, report),
        depfile: instance.depfile.clone(),
        tools,
        env,
        env_from: variables(&bind, &stated.env_from, report),
        env_pass: variables(&bind, &stated.env_pass, report),
        env_file: stated.env_file.iter().filter_map(|path| bind.path(path, report)).collect(),
        deps: Vec::new(),
        inferred: Vec::new(),
        timeout: age("timeout", &bind, stated.timeout.as_ref(), report),
        retries: stated.retries,
        cache: stated.cache,
        valid_for: age("valid_for", &bind, stated.valid_for.as_ref(), report),
        answers: Vec::new(),
        apart: false,
        interactive: stated.interactive,
        pool: stated.pool.as_ref().and_then(|pool| find_pool(common.pools, &bind, pool, report)),
        origin: Origin { file: stated.at.file, span: stated.at.span.clone() },
        cwd,
        outputs: instance.outputs.following(common.follow),
    };
    (task, bind.texts(&stated.deps))
}

/// `objects[src/a.c]`, `test[python=3.11]`, `t[src/a.c,python=3.11]`; files as seen from the file that states the task.
fn instance_name(stated: &Stated, instance: &Instance, axes: &[&str]) -> String {
    let file = instance.file.iter().map(|file| String::from_utf8_lossy(&file.relative_to(&stated.dir)).into_owned());
    let axes = stated.matrix.iter().zip(axes).map(|(axis, value)| format!("{}={value}", axis.name.value));
    let parts: Vec<String> = file.chain(axes).collect();
    if parts.is_empty() { stated.name.clone() } else { format!("{}[{}]", stated.name, parts.join(",")) }
}

fn inputs(stated: &Stated, bind: &Bindings<'_>, report: &mut Report) -> Inputs {
    check_first(&stated.outputs, report);
    let Some(texts) = &stated.inputs else {
        // A group reads nothing.
        return if stated.command.is_some() { Inputs::Default } else { Inputs::Patterns(PatternSet::default()) };
    };
    check_first(texts, report);
    Inputs::Patterns(bind.patterns(texts, report))
}

/// A first pattern that takes away has nothing to take from: most likely it was meant to take from everything.
fn check_first(texts: &[Text], report: &mut Report) {
    let Some(Piece::Text(written)) = texts.first().and_then(|text| text.template.pieces().first()) else { return };
    if written.starts_with('!') {
        let hint = "begin with a pattern that adds: `\".\"` is everything in the directory".to_owned();
        let title = "the first pattern takes away from nothing";
        report.error(title, texts[0].at.clone(), "has nothing before it").hint(hint);
    }
}

/// Names of variables, or globs over them.
fn variables(bind: &Bindings<'_>, texts: &[Text], report: &mut Report) -> Vec<String> {
    let names = bind.texts(texts);
    for (text, name) in texts.iter().zip(&names) {
        let written = At { value: name.clone(), span: text.at.span.clone() };
        check_variable(report, text.at.file, &written);
        // `environment` matches with the same crate.
        if let Err(error) = globset::Glob::new(name) {
            let hint = "`*` is any text: `CARGO_*`, `LC_{ALL,CTYPE}`".to_owned();
            let title = format!("`{name}` is not a valid glob");
            report.error(title, text.at.clone(), error.kind().to_string()).hint(hint);
        }
    }
    names
}

fn age(key: &str, bind: &Bindings<'_>, text: Option<&Text>, report: &mut Report) -> Option<Duration> {
    let text = text?;
    let written = At { value: bind.text(text), span: text.at.span.clone() };
    read_age(report, text.at.file, key, &written)
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
