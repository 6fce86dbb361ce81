//! The fingerprint of a task: its declared inputs as they are now, its environment, and its definition.

use std::ffi::OsString;
use std::fs;
use std::sync::Arc;

use percache::store::id::{ActionKey, Fingerprint};

use crate::action::command;
use crate::action::context::Context;
use crate::action::further::{self, Further};
use crate::action::input_links::{InputLinks, sources_behind};
use crate::action::remembered::tool_answers;
use crate::environment::env_file;
use crate::environment::{self, Environment, Wishes};
use crate::fs::beneath::Tree;
use crate::fs::parallel::fan_out;
use crate::fs::stat_cache::FileState;
use crate::fs::walk::{self, Want};
use crate::key::fingerprint::{Kind, Part, Parts, Value};
use crate::model::notice::Warning;
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::problem::{Trouble, reason};
use crate::model::{Task, TaskCommand, TaskId};

/// What a finished task shows to its dependents.
#[derive(Clone, Debug, Default)]
pub struct Visible {
    /// The paths of its outputs, sorted.
    pub outputs: Vec<RelPath>,
    /// Its action key.
    pub action: ActionKey,
}

/// The explicit direct dependencies of a task, with groups replaced by their members, and what each shows.
pub type Dependencies = Vec<(TaskId, Arc<Visible>)>;

/// Everything that is known about a task before it runs.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The command.
    pub command: TaskCommand,
    /// The environment that the command sees.
    pub environment: Environment,
    /// The hashed parts.
    pub parts: Parts,
    /// The digest of the parts.
    pub fingerprint: Fingerprint,
    /// The hashed inputs, with their states.
    pub inputs: Vec<(RelPath, FileState)>,
    /// Declared inputs without wildcards that do not exist.
    pub missing: Vec<RelPath>,
    /// The files that count otherwise, with their states: those of which a part counts, and external ones. Paths are
    /// relative to the workspace, or absolute.
    pub further: Vec<(Vec<u8>, FileState)>,
    /// Warnings about parts and external files that do not exist.
    pub warnings: Vec<Warning>,
    /// Further paths whose stamps the fingerprint rests on: listed directories, the directories where patterns begin,
    /// `env_file`s.
    pub watched: Vec<Vec<u8>>,
    /// In a dry run, the tools whose answers are unknown. The fingerprint is then unknown, too.
    pub unknown_tools: Vec<String>,
}

/// Looks at everything that the fingerprint of `task` consists of.
pub fn prepare(
    ctx: &Context<'_>,
    task: &Task,
    command: &TaskCommand,
    deps: &Dependencies,
) -> Result<Prepared, Trouble> {
    ctx.places().check(ctx.workspace, ctx.graph, task)?;
    let mut watched: Vec<Vec<u8>> = Vec::new();
    task.env_file.iter().for_each(|path| ctx.observer.watch(path.as_bytes(), &mut watched));
    let environment = environment(ctx, task)?;
    let mut parts = environment.parts.clone();
    parts.push(Part::new(Kind::Cwd, "", Value::Text(task.cwd.as_bytes().to_vec())));
    let patterns = task.outputs.patterns().iter().map(|pattern| pattern.to_string().into_bytes()).collect();
    parts.push(Part::new(Kind::Outputs, "", Value::List(patterns)));
    if let Some(depfile) = task.discovery.depfile() {
        parts.push(Part::new(Kind::Depfile, "", Value::Text(depfile.as_bytes().to_vec())));
    }
    if task.apart {
        parts.push(Part::new(Kind::Streams, "", Value::Text(b"apart".to_vec())));
    }
    let unknown_tools = tools(ctx, task, &environment, &mut parts)?;
    for (id, visible) in deps.iter().filter(|(_, visible)| visible.outputs.is_empty()) {
        let remark = ctx.workspace.task(*id).name.clone();
        parts.push(Part {
            kind: Kind::Dependency,
            name: Vec::new(),
            value: Value::Digest(*visible.action.digest()),
            remark,
        });
    }
    let (inputs, missing) = inputs(ctx, task, deps, &mut watched)?;
    for (path, state) in &inputs {
        parts.push(Part::new(Kind::Input, path.as_bytes(), Value::File(state.clone())));
    }
    let command = command::fill_in(task, command, &inputs, deps)?;
    parts.push(Part::command(&command));
    let Further { states: further, warnings } = further::look(ctx, task, &mut parts, &mut watched)?;
    let parts = Parts::new(parts);
    let fingerprint = parts.fingerprint();
    Ok(Prepared {
        command,
        environment,
        parts,
        fingerprint,
        inputs,
        missing,
        further,
        warnings,
        watched,
        unknown_tools,
    })
}

/// Asks the tools for their versions. In a dry run, uses their last answers, and returns the tools for which there is
/// none; one that fetches results asks those that can be asked without touching the tree.
fn tools(
    ctx: &Context<'_>,
    task: &Task,
    environment: &Environment,
    parts: &mut Vec<Part>,
) -> Result<Vec<String>, Trouble> {
    let mut unknown = Vec::new();
    if !task.tools.is_empty() && !ctx.options.dry_run {
        make_cwd(ctx, task)?;
    }
    let only_looks = ctx.options.dry_run && !ctx.options.pull;
    let remembered = if only_looks { tool_answers(ctx, task) } else { Default::default() };
    for tool in &task.tools {
        let answer = if only_looks {
            let answer = remembered.get(tool.as_bytes()).copied();
            answer.iter().for_each(|_| ctx.tools.remember(tool));
            answer
        } else {
            let cwd = task.cwd.to_path(ctx.observer.root());
            let answer = ctx.tools.version(&task.invocation(tool), cwd, variables(environment), ctx.stop);
            if ctx.options.dry_run { answer.ok() } else { Some(answer?) }
        };
        match answer {
            Some(answer) => parts.push(Part::new(Kind::Tool, tool.as_bytes(), Value::Digest(answer))),
            None => unknown.push(tool.clone()),
        }
    }
    Ok(unknown)
}

/// Makes the directory in which a task's tools run, if it is an output directory: a clean tree does not have it yet.
fn make_cwd(ctx: &Context<'_>, task: &Task) -> Result<(), Trouble> {
    let is_there = !matches!(ctx.observer.stamp(task.cwd.as_bytes()), Ok(None));
    if is_there || !ctx.needed().contains(&task.cwd) {
        return Ok(());
    }
    let made = Tree::of(&ctx.observer).and_then(|mut tree| {
        tree.make_directory(&task.cwd)?;
        Ok(tree.take_made())
    });
    ctx.directories.add(made.map_err(|e| format!("cannot make the directory `{}`: {}", task.cwd, reason(&e)))?);
    Ok(())
}

fn environment(ctx: &Context<'_>, task: &Task) -> Result<Environment, Trouble> {
    let mut variables = Vec::new();
    for path in &task.env_file {
        let text = fs::read(path.to_path(ctx.observer.root())).map_err(|e| {
            let hint = "create it, or take it out of `env_file`";
            Trouble::new(format!("its env_file `{path}` cannot be read: {}", reason(&e)), hint)
        })?;
        variables.extend(
            env_file::parse(path, &text)
                .map_err(|e| Trouble::new(e.to_string(), "lines are `KEY=value`, empty, or begin with `#`"))?,
        );
    }
    Ok(environment::resolve(Wishes::of(task), ctx.caller, &variables))
}

/// Converts an environment to the form that the process module takes.
pub fn variables(environment: &Environment) -> Vec<(OsString, OsString)> {
    environment.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The number of inputs from which on several threads look at them.
const WORTH_THREADS: usize = 2_000;

type Looked = (Vec<(RelPath, FileState)>, Vec<RelPath>);

/// Returns the declared inputs and the outputs of explicit dependencies, sorted; and the literal inputs that do not
/// exist.
fn inputs(ctx: &Context<'_>, task: &Task, deps: &Dependencies, watched: &mut Vec<Vec<u8>>) -> Result<Looked, Trouble> {
    let patterns = &task.inputs.patterns;
    let mut paths = matching(ctx, task, patterns, watched)?;
    let missing = literals_without(patterns, &paths);
    paths.extend(missing.iter().cloned());
    if task.inputs.default {
        paths.extend(by_default(ctx, task, deps)?);
    }
    paths.extend(deps.iter().flat_map(|(_, visible)| visible.outputs.iter().cloned()));
    paths.sort();
    paths.dedup();
    if let Some(path) = paths.iter().find(|path| ctx.stuck.contains(*path)) {
        let message = format!("its input `{path}` is the output of a task that is gone, and cannot be removed");
        return Err(Trouble::new(message, "remove it, or take it out of `inputs`"));
    }
    let mut links = InputLinks::new(ctx, task);
    let on_the_way = links.on_the_way(&paths, watched)?;
    if !on_the_way.is_empty() {
        paths.extend(on_the_way);
        paths.sort();
        paths.dedup();
    }
    let states = fan_out(threads(ctx, paths.len()), &paths, |path| {
        let state = ctx.observer.observe_input(path.as_bytes());
        state.map_err(|e| format!("its input `{path}` cannot be read: {}", reason(&e)))
    })?;
    let mut looked: Vec<_> = paths.into_iter().zip(states).collect();
    if looked.iter().any(|(_, state)| matches!(state, FileState::Symlink { .. })) {
        links.settle(deps, &mut looked, watched)?;
    }
    // A literal pattern that names no file adds nothing, whether there is an empty directory or nothing at all.
    let means_nothing = |path: &RelPath, state: &FileState| {
        matches!(state, FileState::Absent | FileState::Directory) && missing.contains(path)
    };
    let (nothing, looked): (Vec<_>, Vec<_>) = looked.into_iter().partition(|(path, state)| means_nothing(path, state));
    let absent = nothing.into_iter().filter(|(_, state)| *state == FileState::Absent);
    Ok((looked, absent.map(|(path, _)| path).collect()))
}

/// Returns the inputs of a task without declared ones, less those that its patterns exclude.
fn by_default(ctx: &Context<'_>, task: &Task, deps: &Dependencies) -> Result<Vec<RelPath>, Trouble> {
    let mut paths = match ctx.observer.way(task.dir.as_bytes()) {
        Some(trail) => sources_behind(ctx, task, &trail)?,
        None => below(ctx.sources()?, &task.dir).to_vec(),
    };
    paths.extend(sources_among_outputs(ctx, task, deps));
    if !task.inputs.patterns.is_empty() {
        paths.retain(|path| task.inputs.count(path, true));
    }
    Ok(paths)
}

/// Returns the files that git tracks among the outputs of explicit dependencies and that these do not make. For other
/// tasks, it is unknown what they make before they have run.
fn sources_among_outputs(ctx: &Context<'_>, task: &Task, deps: &Dependencies) -> Vec<RelPath> {
    let Some(sources) = ctx.found_sources().filter(|sources| !sources.among_outputs.is_empty()) else {
        return Vec::new();
    };
    let is_left = |path: &&RelPath| {
        deps.iter().any(|(id, visible)| {
            ctx.workspace.task(*id).outputs.matches(path) && visible.outputs.binary_search(path).is_err()
        })
    };
    below(&sources.among_outputs, &task.dir).iter().filter(is_left).cloned().collect()
}

/// Returns on how many threads a task looks at its inputs. Usually on its own only, because other tasks look at theirs
/// at the same time.
pub fn threads(ctx: &Context<'_>, inputs: usize) -> usize {
    if inputs < WORTH_THREADS { 1 } else { ctx.jobs }
}

/// Returns the files that the patterns match now, sorted, except outputs of tasks that this one does not depend on: a
/// clean tree may not have them yet.
fn matching(
    ctx: &Context<'_>,
    task: &Task,
    patterns: &PatternSet,
    watched: &mut Vec<Vec<u8>>,
) -> Result<Vec<RelPath>, String> {
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    let watch = &mut |path: &RelPath| ctx.observer.watch(path.as_bytes(), watched);
    let found = walk::expand_noting(ctx.observer.root(), patterns, &ctx.skip, Want::Files, watch);
    let found = found.map_err(|e| format!("{e}: {}", e.source))?;
    let mut found: Vec<_> = found.into_iter().map(|found| found.path).collect();
    found.extend(ctx.observer.unseen_inputs(patterns));
    // The list is sorted except for what was added last, which this sort handles fast.
    found.sort();
    found.dedup();
    let mut needed = None;
    found.retain(|path| {
        let Some(owner) = ctx.graph.outputs.owner(path) else { return true };
        let needed: &Vec<TaskId> = needed.get_or_insert_with(|| {
            let direct: Vec<_> = task.deps.iter().chain(&task.inferred).copied().collect();
            ctx.graph.closure(&direct)
        });
        needed.binary_search(&owner).is_ok()
    });
    Ok(found)
}

/// Returns the paths of a sorted list that are below a directory. They start with its name and a slash, so they are
/// contiguous.
fn below<'a>(sorted: &'a [RelPath], dir: &RelPath) -> &'a [RelPath] {
    if dir.is_root() {
        return sorted;
    }
    let border = |slash: u8| {
        let border = [dir.as_bytes(), &[slash]].concat();
        sorted.partition_point(|path| path.as_bytes() < border.as_slice())
    };
    &sorted[border(b'/')..border(b'/' + 1)]
}

/// Returns the literal patterns at or below which nothing was found. `found` is sorted.
fn literals_without(patterns: &PatternSet, found: &[RelPath]) -> Vec<RelPath> {
    let literals =
        patterns.patterns().iter().filter(|pattern| !pattern.negated).filter_map(|pattern| pattern.literal());
    let at_or_below = |literal: &RelPath| {
        let from = found.partition_point(|path| path < literal);
        let mut alike = found[from..].iter().take_while(|path| path.as_bytes().starts_with(literal.as_bytes()));
        alike.any(|path| path.starts_with(literal))
    };
    let without = literals.filter(|literal| !at_or_below(literal));
    without.filter(|literal| patterns.matches(literal)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(texts: &[&str]) -> Vec<RelPath> {
        texts.iter().map(|text| RelPath::new(text).unwrap()).collect()
    }

    #[test]
    fn below_a_directory_is_neither_beside_it_nor_itself() {
        let mut all = paths(&["a", "a-b/c", "a.c", "a/b", "a/b/c", "a0", "b/a"]);
        all.sort();
        assert_eq!(below(&all, &RelPath::new("a").unwrap()), paths(&["a/b", "a/b/c"]));
        assert_eq!(below(&all, &RelPath::root()), all);
        assert_eq!(below(&all, &RelPath::new("c").unwrap()), []);
    }

    #[test]
    fn a_literal_is_missing_when_nothing_is_at_or_below_it() {
        let found = paths(&["gen-x", "gen/a.h", "main.c"]);
        let patterns = PatternSet::parse(&RelPath::root(), &["gen", "main.c", "mian.c", "*.py", "x", "!x"]).unwrap();
        assert_eq!(literals_without(&patterns, &found), paths(&["mian.c"]));
    }
}
