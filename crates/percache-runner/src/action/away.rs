//! Executing a command on a worker elsewhere: from an action to what the worker needs, and back to what it left.
//!
//! A command that cannot be executed there runs here. Then it waits for a slot of its own, because a task that has left
//! this machine does not hold one: at most as many come back at a time as may run here.

use std::fs::File;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use percache::store::interface::Contents;
use percache::store::manifest::Manifest;
use percache::store::record::Entry;

use crate::action::context::Context;
use crate::action::executor::{Action, Executed, Left, Output};
use crate::action::input_root::{Reads, input_root};
use crate::action::inputs::variables;
use crate::action::job::{Say, Word};
use crate::action::local::argv;
use crate::action::slots::{Slot, Slots};
use crate::action::workers::{Client, RemoteCommand, RemoteExecuted, Workers};
use crate::environment::colours;
use crate::fs::git_files::{Area, SourceTree};
use crate::fs::hash_file;
use crate::fs::stamp::Moment;
use crate::model::Task;
use crate::model::event::{Failure, RemoteRun, RemoteStage};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::process::{Stop, Stream};
use rustix::fs::CWD;

/// The workers of a build, and how many commands are there.
pub struct Away<'a> {
    /// The workers.
    pub workers: &'a dyn Workers,
    there: Slots,
    back: Slots,
    /// The sources of the workspace, found when they are first needed.
    sources: OnceLock<Result<Vec<RelPath>, String>>,
}

impl<'a> Away<'a> {
    /// Starts with nothing there. `jobs`: how many commands may run here.
    pub fn new(workers: &'a dyn Workers, jobs: usize) -> Away<'a> {
        Away { workers, there: Slots::new(workers.jobs()), back: Slots::new(jobs), sources: OnceLock::new() }
    }
}

impl Away<'_> {
    /// Returns everything that git does not ignore, except outputs and what git tracks among them.
    pub fn sources(&self, ctx: &Context<'_>) -> Result<&[RelPath], String> {
        let found = self.sources.get_or_init(|| {
            let (root, configuration) = (ctx.observer.root(), &ctx.workspace.files);
            let area = Area { root, skip: &ctx.skip, configuration, caller: ctx.caller };
            let tree = SourceTree::scan(area).map_err(|e| format!("{e}: {}", e.source))?;
            let is_source = |path: &&RelPath| ctx.places().maker(ctx.graph, path).is_none();
            Ok(tree.files().iter().filter(is_source).cloned().collect())
        });
        found.as_ref().map(Vec::as_slice).map_err(Clone::clone)
    }
}

/// What became of an action.
pub enum Attempt<'a> {
    /// It was executed.
    Executed(Box<Executed>),
    /// It has to run here, and holds a slot for that if it was away.
    Here(Option<Slot<'a>>),
    /// The build was stopped.
    Stopped,
}

/// Returns the workers that execute the command of this task, if any do.
fn workers<'a>(ctx: &'a Context<'_>, task: &Task) -> Option<&'a Away<'a>> {
    let away = ctx.away.as_ref().filter(|away| away.workers.is_usable())?;
    let may = !task.interactive && !ctx.options.dry_run && task.store && task.remote.executes(task.cache);
    may.then_some(away)
}

/// Executes an action on a worker, if it can be executed there.
pub fn execute<'a>(ctx: &'a Context<'_>, action: &Action<'_>, stop: &Stop, output: &mut Output<'_>) -> Attempt<'a> {
    let (Some(away), Some(store)) = (workers(ctx, action.task), ctx.store) else { return Attempt::Here(None) };
    let reads = Reads::of(ctx, action.task);
    let command = match command(ctx, action, reads) {
        Ok(command) => command,
        Err(reason) => {
            log::debug!("`{}` runs here: {reason}", action.task.name);
            return Attempt::Here(None);
        }
    };
    let say = output.say();
    say(Word::Remote(RemoteStage::Sent));
    let executed = match away.there.take(stop) {
        None => return Attempt::Stopped,
        Some(_slot) => attempts(ctx, action, away, (command, reads), store, stop, output),
    };
    match executed {
        Some(executed) => Attempt::Executed(Box::new(executed)),
        None if stop.requested() => Attempt::Stopped,
        None => match away.back.take(stop) {
            None => Attempt::Stopped,
            Some(slot) => {
                say(Word::Remote(RemoteStage::Back));
                Attempt::Here(Some(slot))
            }
        },
    }
}

/// Executes a command as often as `retries` allows. Returns `None` if it could not be executed.
fn attempts(
    ctx: &Context<'_>,
    action: &Action<'_>,
    away: &Away<'_>,
    (mut command, mut reads): (RemoteCommand, Reads),
    store: &dyn Contents,
    stop: &Stop,
    output: &mut Output<'_>,
) -> Option<Executed> {
    let mut attempts_left = action.task.retries;
    loop {
        output.begin();
        let began = Moment::now();
        let wants = Wanted { ctx, task: action.task };
        let caller = Caller { ctx, wants, stop, say: output.say(), output: Mutex::new(output) };
        let executed = away.workers.execute(command.clone(), store, &caller);
        let executed = executed.map_err(|reason| log::debug!("`{}` comes back: {reason}", action.task.name)).ok()?;
        let failure = failure(action.task, &executed);
        if matches!(failure, Some(Failure::Exit(_))) && finds_more(action.task, reads) && !stop.requested() {
            // It may read something now that it did not read the last time.
            reads = Reads::Anything;
            command.inputs = input_root(ctx, action, reads).ok()?;
            continue;
        }
        if failure.is_none() || attempts_left == 0 || stop.requested() {
            return concluded(executed, failure, began, away.workers.address());
        }
        attempts_left -= 1;
        command.fresh = true;
    }
}

/// Returns whether a task may have failed because it was not given what it discovers.
fn finds_more(task: &Task, reads: Reads) -> bool {
    reads == Reads::Known && task.discovery.finds_inputs()
}

fn failure(task: &Task, executed: &RemoteExecuted) -> Option<Failure> {
    match executed.status {
        _ if executed.timed_out => Some(Failure::TimedOut(task.timeout.unwrap_or_default())),
        0 => None,
        status if task.answers.contains(&status) => None,
        status => Some(Failure::Exit(status)),
    }
}

fn concluded(executed: RemoteExecuted, failure: Option<Failure>, began: Moment, server: String) -> Option<Executed> {
    let RemoteExecuted { status, outputs, queued, took, worker, cached, .. } = executed;
    let entries = outputs.into_iter().map(|(path, node)| Entry::new(path, node)).collect::<Vec<_>>();
    let left = match sorted(entries) {
        Ok(manifest) => Left::Stored(manifest),
        // What is no manifest was made by nobody who can be believed.
        Err(_) => return None,
    };
    let remote = Some(RemoteRun { server, worker, queued, cached });
    Some(Executed { failure, status, took, began, left, remote })
}

fn sorted(mut entries: Vec<Entry>) -> Result<Manifest, percache::base::codec::DecodeError> {
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    Manifest::from_sorted_entries(entries)
}

/// Returns what a worker needs; the error says why it has to run here.
fn command(ctx: &Context<'_>, action: &Action<'_>, reads: Reads) -> Result<RemoteCommand, String> {
    let (task, prepared) = (action.task, action.prepared);
    let text = |text: std::ffi::OsString| text.into_string().map_err(|_| "its command is not UTF-8".to_owned());
    let (program, arguments) = argv(&prepared.command);
    let arguments = std::iter::once(program).chain(arguments).map(text).collect::<Result<_, _>>()?;
    let mut environment = Vec::new();
    for (name, value) in variables(&prepared.environment) {
        let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) else {
            return Err("its environment is not UTF-8".to_owned());
        };
        environment.push((name, value));
    }
    let told = colours::told(task, &prepared.command, &prepared.environment);
    environment.extend(told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    environment.sort();
    environment.dedup_by(|one, before| one.0 == before.0);
    Ok(RemoteCommand {
        task: task.name.clone(),
        arguments,
        environment,
        directory: utf8(&task.cwd)?,
        inputs: input_root(ctx, action, reads)?,
        outputs: outputs(task)?,
        timeout: task.timeout,
        fresh: action.fresh || task.valid_for.is_some() || !task.cache,
        cacheable: task.cache,
    })
}

/// Returns the paths at or below which all outputs lie, and whether each must be a directory.
fn outputs(task: &Task) -> Result<Vec<(String, bool)>, String> {
    let mut roots = task.outputs.roots();
    if let Some(depfile) = task.discovery.depfile()
        && !roots.iter().any(|root| depfile.starts_with(root))
    {
        roots.retain(|root| !root.starts_with(depfile));
        roots.push(depfile.clone());
    }
    let is_directory = |path: &RelPath| {
        let mut patterns = task.outputs.patterns().iter().filter(|pattern| !pattern.negated);
        patterns.any(|pattern| match pattern.literal() {
            Some(literal) => literal == path && pattern.directory,
            None => pattern.prefix() == path,
        })
    };
    roots.iter().map(|path| Ok((utf8(path)?, is_directory(path)))).collect()
}

fn utf8(path: &RelPath) -> Result<String, String> {
    path.to_str().map(str::to_owned).ok_or_else(|| format!("the name `{path}` is not UTF-8"))
}

/// Which of the files at the places of outputs are outputs.
struct Wanted<'a> {
    ctx: &'a Context<'a>,
    task: &'a Task,
}

impl Wanted<'_> {
    fn wants(&self, path: &str, input: bool) -> bool {
        let Ok(path) = RelPath::new(path) else { return false };
        let is_named = |outputs: &PatternSet| outputs.literals().any(|literal| *literal == path);
        if self.ctx.skip.iter().any(|skip| path.starts_with(skip)) || path.to_string().starts_with(".git/") {
            return false;
        }
        let output = self.task.outputs.matches(&path) && (!input || is_named(&self.task.outputs));
        output || self.task.discovery.depfile() == Some(&path)
    }
}

struct Caller<'a, 'o, 'w> {
    ctx: &'a Context<'a>,
    wants: Wanted<'a>,
    stop: &'a Stop,
    say: Say<'a>,
    output: Mutex<&'o mut Output<'w>>,
}

impl Client for Caller<'_, '_, '_> {
    fn open(&self, path: &str) -> io::Result<File> {
        let path = RelPath::new(path).map_err(io::Error::other)?;
        let path = path.to_path(self.ctx.observer.root());
        // A symlink that leads out of the workspace stands for the file there.
        if path.is_symlink() { File::open(path) } else { hash_file::open(CWD, &path) }
    }

    fn wants(&self, path: &str, input: bool) -> bool {
        self.wants.wants(path, input)
    }

    fn reached(&self, stage: RemoteStage) {
        (self.say)(Word::Remote(stage));
    }

    fn stopped(&self) -> bool {
        self.stop.requested()
    }

    fn restart(&self) {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).begin();
    }

    fn wrote(&self, stream: Stream, bytes: &[u8]) {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).write(stream, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Request, load};
    use crate::model::TaskId;

    fn outputs_of(keys: &str) -> Vec<(String, bool)> {
        let dir = tempfile::tempdir().unwrap();
        let config = format!("[task.a]\ncommand = 'x'\ninputs = []\n{keys}\n");
        std::fs::write(dir.path().join("percache.toml"), config).unwrap();
        let workspace = load(&dir.path().canonicalize().unwrap(), &Request::default()).unwrap();
        outputs(workspace.task(TaskId(0))).unwrap()
    }

    #[test]
    fn outputs_are_asked_for_where_patterns_begin_and_none_twice() {
        let of = |path: &str, directory| (path.to_owned(), directory);
        let outputs = outputs_of("outputs = ['a.txt', 'dist/', 'gen/*.h', 'gen/deep/b', '!gen/no.h']");
        assert_eq!(outputs, [of("a.txt", false), of("dist", true), of("gen", true)]);
        assert_eq!(outputs_of("outputs = ['*.o', 'a/b']"), [of("", true)]);
        assert_eq!(outputs_of("outputs = ['a']\ndepfile = 'd/a.d'"), [of("a", false), of("d/a.d", false)]);
        assert_eq!(outputs_of("outputs = ['out/*']\ndepfile = 'out/a.d'"), [of("out", true)]);
        assert_eq!(outputs_of(""), []);
    }
}
