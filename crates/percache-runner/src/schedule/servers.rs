//! Attending to servers: what they do is told, and each is ended once nothing needs it any more.
//!
//! While tasks run, the build loop does this; afterwards, with everything written down and the worktree free for other
//! builds, [`serve`] does it for the servers that stay until the user ends them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::action::servers::{News, Servers};
use crate::graph::explicit;
use crate::model::event::{Event, Failure, LogText, Outcome, Provenance, Reporter, Served};
use crate::model::problem::Trouble;
use crate::model::{Task, TaskId, Workspace};
use crate::process::{End, Status, Stop};
use crate::schedule::results::Summary;
use crate::syntax::units::format_duration;

/// How often to look at servers.
pub const TICK: Duration = Duration::from_millis(50);

/// The servers of a build, and what depends on them.
pub struct Attended {
    /// The servers among the tasks of the build.
    pub ids: Vec<TaskId>,
    /// For each, the tasks of the build that name it in `deps`, or a group with it.
    dependents: Vec<Vec<TaskId>>,
    /// Those that run until the user ends them.
    pub foreground: HashSet<TaskId>,
    /// Whether they survive the build, because its caller keeps them.
    pub kept: bool,
}

/// A server that has failed.
pub struct Failed {
    /// The server.
    pub task: TaskId,
    /// How.
    pub failure: Failure,
    /// The end of its log.
    pub log: Arc<LogText>,
    /// How long it ran.
    pub took: Duration,
}

impl Attended {
    /// Finds the servers among the tasks of a build.
    pub fn new(workspace: &Workspace, tasks: &[TaskId], foreground: &HashSet<TaskId>, kept: bool) -> Attended {
        let is_server = |id: &TaskId| workspace.task(*id).server.is_some();
        let ids: Vec<TaskId> = tasks.iter().copied().filter(is_server).collect();
        let mut dependents = vec![Vec::new(); ids.len()];
        if !ids.is_empty() {
            for id in tasks.iter().filter(|id| workspace.task(**id).command.is_some()) {
                for need in explicit(workspace, *id) {
                    let position = ids.binary_search(&need);
                    position.into_iter().for_each(|position| dependents[position].push(*id));
                }
            }
        }
        Attended { ids, dependents, foreground: foreground.clone(), kept }
    }

    /// Returns the tasks that depend on a server.
    pub fn dependents(&self, id: TaskId) -> &[TaskId] {
        self.ids.binary_search(&id).map_or(&[], |position| self.dependents[position].as_slice())
    }
}

/// Tells what the servers have done, and returns those that have failed. `needed_by` returns a task that still needs a
/// server.
pub fn tell(
    servers: &Servers,
    workspace: &Workspace,
    needed_by: &dyn Fn(TaskId) -> Option<TaskId>,
    reporter: &mut dyn Reporter,
) -> Vec<Failed> {
    let mut failed = Vec::new();
    for (name, news) in servers.news() {
        // The server of a task that is gone.
        let Ok(position) = workspace.tasks.binary_search_by(|task| task.name.cmp(&name)) else { continue };
        let task = TaskId(position as u32);
        let mut event = |what| reporter.event(Event::Server { task, what });
        match news {
            News::Started => event(Served::Started),
            News::Output(bytes) => event(Served::Output(bytes)),
            News::Ready(took) => event(Served::Ready(took)),
            News::Ended(end, bytes, omitted) => {
                let needed_by = needed_by(task).map(|id| workspace.task(id).name.as_str());
                match failure(&end, workspace.task(task), needed_by) {
                    None => event(Served::Stopped(end.took)),
                    Some(failure) => {
                        let log = Arc::new(LogText { bytes, omitted });
                        failed.push(Failed { task, failure, log, took: end.took });
                    }
                }
            }
            News::Refused(trouble) => {
                let (failure, log) = (Failure::Error(trouble), Arc::default());
                failed.push(Failed { task, failure, log, took: Duration::ZERO });
            }
        }
    }
    failed
}

/// Returns how a server has failed, if it has.
fn failure(end: &End, task: &Task, needed_by: Option<&str>) -> Option<Failure> {
    let ready = task.server.as_ref().and_then(|server| server.ready.as_ref());
    if let Some((ready, instead)) = ready.zip(end.late.as_ref()) {
        let limit = format_duration(ready.timeout);
        let message = format!("it was not ready within {limit}: {}: {instead}", ready.sign);
        let hint = "`timeout` in `ready` says how long it may take".to_owned();
        return Some(Failure::Error(Trouble { message, hint: Some(hint) }));
    }
    let how = match end.status {
        Status::Interrupted | Status::TimedOut => return None,
        Status::Exit(code) => format!("exit status {code}"),
        Status::Signal(signal) => format!("signal {signal}"),
    };
    let message = match (end.ready, needed_by) {
        (None, _) => format!("it ended with {how} before it was ready"),
        (Some(_), Some(task)) => format!("it ended with {how} while `{task}` needed it"),
        (Some(_), None) => {
            return match end.status {
                Status::Exit(0) => None,
                Status::Exit(code) => Some(Failure::Exit(code)),
                Status::Signal(signal) => Some(Failure::Signal(signal)),
                Status::Interrupted | Status::TimedOut => None,
            };
        }
    };
    Some(Failure::Error(message.into()))
}

impl Failed {
    /// Returns the event that tells of it.
    pub fn event(&self) -> Event {
        Event::Finished {
            task: self.task,
            outcome: Outcome::Failed(self.failure.clone()),
            provenance: Provenance::default(),
            remote: None,
            status: 0,
            log: self.log.clone(),
            took: self.took,
            saved: Duration::ZERO,
            reason: None,
            unseen: Vec::new(),
        }
    }
}

/// Waits for the servers that are left until they end: when `stop` says so, one of them fails, or all end by themselves.
/// A server ends after those that depend on it.
pub fn serve(
    servers: &Servers,
    workspace: &Workspace,
    attended: &Attended,
    (stop, keep_going): (&Stop, bool),
    summary: &mut Summary,
    reporter: &mut dyn Reporter,
) {
    let runs = |id: &TaskId| servers.is_running(&workspace.task(*id).name, false);
    let tasks: Vec<TaskId> = attended.ids.iter().copied().filter(runs).collect();
    if tasks.is_empty() {
        return;
    }
    if !stop.requested() {
        reporter.event(Event::Serving { tasks: tasks.clone() });
    }
    let mut ending = false;
    while tasks.iter().any(runs) {
        let needed_by = |id| attended.dependents(id).iter().copied().find(runs).filter(|_| !ending);
        for failed in tell(servers, workspace, &needed_by, reporter) {
            summary.failed.push(workspace.task(failed.task).name.clone());
            reporter.event(failed.event());
            ending |= !keep_going;
        }
        ending |= stop.requested();
        if stop.urgent() {
            servers.kill();
        }
        let free = |id: &&TaskId| !attended.dependents(**id).iter().any(runs);
        for id in tasks.iter().filter(free).filter(|_| ending) {
            servers.end(&workspace.task(*id).name);
        }
        std::thread::sleep(TICK);
    }
    summary.interrupted |= stop.requested();
}

/// Tells what the servers that a caller keeps have done since the last build.
pub fn attend(servers: &Servers, workspace: &Workspace, reporter: &mut dyn Reporter) {
    for failed in tell(servers, workspace, &|_| None, reporter) {
        reporter.event(failed.event());
    }
}

/// Ends the servers that a caller keeps, and waits for that. A second request of `stop` makes it urgent.
pub fn end(servers: &Servers, workspace: &Workspace, stop: &Stop, reporter: &mut dyn Reporter) {
    loop {
        servers.running().iter().for_each(|name| servers.end(name));
        if stop.urgent() {
            servers.kill();
        }
        attend(servers, workspace, reporter);
        if servers.running().is_empty() {
            return;
        }
        std::thread::sleep(TICK);
    }
}
