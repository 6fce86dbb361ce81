//! The executor of this machine: runs the command of a task as often as `retries` allows, in a tree from which the task's
//! earlier outputs were removed.

use std::ffi::OsString;
use std::time::Duration;

use crate::action::before::{Before, make_room, outputs_present, told};
use crate::action::context::Context;
use crate::action::directories::output_directories;
use crate::action::executor::{Action, Executed, Executor, Left, Output};
use crate::action::inputs::variables;
use crate::action::job::Word;
use crate::environment::colours;
use crate::fs::clearing::{self, Clearing};
use crate::fs::stamp::Moment;
use crate::model::event::Failure;
use crate::model::problem::Trouble;
use crate::model::{Task, TaskCommand};
use crate::process::nesting;
use crate::process::orphans::Trace;
use crate::process::{self, Mark, Spec, Status, Stdio, Stop};

/// Runs commands here.
pub struct Local<'a, 'c> {
    /// What all jobs of the build share.
    pub ctx: &'a Context<'c>,
}

impl Executor for Local<'_, '_> {
    fn execute(&self, action: &Action<'_>, stop: &Stop, output: &mut Output<'_>) -> Result<Executed, Trouble> {
        let ctx = self.ctx;
        let mut clearing = Clearing::open(&ctx.observer, &ctx.displaced).map_err(|e| e.to_string())?;
        let before = make_room(ctx, &mut clearing, action.id, action.task)?;
        let mut attempts_left = action.task.retries;
        loop {
            make_directories(ctx, &mut clearing, action.task)?;
            output.begin();
            let Attempt { failure, status, took, began } = attempt(ctx, action, stop, output)?;
            let is_final = matches!(failure, None | Some(Failure::Interrupted)) || attempts_left == 0;
            if is_final {
                return Ok(Executed { failure, status, took, began, left: Left::InTree(before), remote: None });
            }
            clear_attempt(ctx, &mut clearing, &before)?;
            attempts_left -= 1;
        }
    }
}

/// Makes the directories for the task's outputs.
fn make_directories(ctx: &Context<'_>, clearing: &mut Clearing<'_, '_>, task: &Task) -> Result<(), Trouble> {
    for directory in output_directories(task) {
        clearing.tree().make_directory(&directory).map_err(|e| told("make the directory", &directory, &e))?;
    }
    ctx.directories.add(clearing.tree().take_made());
    Ok(())
}

/// Removes the outputs that a failed attempt has left.
fn clear_attempt(ctx: &Context<'_>, clearing: &mut Clearing<'_, '_>, before: &Before) -> Result<(), Trouble> {
    let found = outputs_present(ctx, &before.outputs)?.into_iter().map(|found| found.path);
    let left: Vec<_> =
        found.filter(|path| before.other(path).is_none()).map(|path| clearing::Left { path, held: None }).collect();
    clearing.take_all(&left).map_err(|(path, e)| told("move aside", &path, &e))
}

/// One run of the command; see [`Executed`].
struct Attempt {
    failure: Option<Failure>,
    status: i32,
    took: Duration,
    began: Moment,
}

/// Runs the command once. Waits before that for a slot of the job budget.
fn attempt(ctx: &Context<'_>, action: &Action<'_>, stop: &Stop, output: &mut Output<'_>) -> Result<Attempt, Trouble> {
    let slot = match &ctx.budget {
        None => None,
        Some(budget) => match budget.acquire(stop).map_err(|e| format!("the jobserver fails: {e}"))? {
            Some(slot) => Some(slot),
            None => {
                let failure = Some(Failure::Interrupted);
                return Ok(Attempt { failure, status: 0, took: Duration::ZERO, began: Moment::now() });
            }
        },
    };
    let spec = spec(ctx, action);
    let began = Moment::now();
    let say = output.say();
    let mut on_mark = |mark: &Mark| {
        if let Mark::Background(holders) = mark {
            say(Word::Background(holders.clone()));
        }
        if let Some((intents, trace)) = ctx.intents.as_ref().zip(Trace::of(mark)) {
            ctx.or_trouble(intents.note_command(&trace));
        }
    };
    let finished = process::run_marked(&spec, stop, &mut on_mark, &mut |stream, bytes| output.write(stream, bytes));
    drop(slot);
    let finished = finished.map_err(|e| Trouble { message: e.to_string(), hint: e.hint() })?;
    let (failure, status) = outcome(action.task, finished.status);
    Ok(Attempt { failure, status, took: finished.took, began })
}

/// Returns the process to start: the command, with the environment that it sees.
pub(super) fn spec(ctx: &Context<'_>, Action { task, prepared, .. }: &Action<'_>) -> Spec {
    let (program, args) = argv(&prepared.command);
    let stdio = match task {
        Task { interactive: true, .. } => Stdio::Inherited,
        Task { apart: true, .. } => Stdio::Apart,
        _ => Stdio::Captured,
    };
    let mut env = variables(&prepared.environment);
    let told = colours::told(task, &prepared.command, &prepared.environment);
    env.extend(told.iter().map(|(name, value)| (name.into(), value.into())));
    env.push((process::MARK.into(), nesting::mark(ctx.worktree, &task.name).into()));
    // A server outlives the build that the job budget belongs to.
    if let Some(budget) = ctx.budget.as_ref().filter(|_| task.server.is_none()) {
        env.extend(budget.variables().iter().cloned());
    }
    Spec { program, args, cwd: task.cwd.to_path(ctx.observer.root()), env, timeout: task.timeout, stdio }
}

/// Returns the failure, if the run failed, and the exit status.
fn outcome(task: &Task, status: Status) -> (Option<Failure>, i32) {
    let failure = match status {
        Status::Exit(code) if code == 0 || task.answers.contains(&code) => None,
        Status::Exit(code) => Some(Failure::Exit(code)),
        Status::Signal(signal) => Some(Failure::Signal(signal)),
        Status::TimedOut => Some(Failure::TimedOut(task.timeout.unwrap_or_default())),
        Status::Interrupted => Some(Failure::Interrupted),
    };
    let code = if let Status::Exit(code) = status { code } else { 0 };
    (failure, code)
}

/// Returns the program and its arguments.
pub fn argv(command: &TaskCommand) -> (OsString, Vec<OsString>) {
    match command {
        TaskCommand::Shell(text) => ("sh".into(), vec!["-e".into(), "-c".into(), text.into()]),
        TaskCommand::Argv(arguments) => {
            let mut arguments = arguments.iter().map(OsString::from);
            (arguments.next().unwrap_or_default(), arguments.collect())
        }
    }
}
