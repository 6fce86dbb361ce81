//! The servers that run while `percache watch` waits: what they do is told, and they end with it.

use std::sync::Arc;

use percache_runner::Project;
use percache_runner::events::{Event, Reporter, Served};
use percache_runner::tasks::TaskId;
use percache_runner::watching::{self, Change, Run, Target};

use super::Watching;
use crate::report::{Place, Report};

impl Watching<'_> {
    /// Returns a report of what servers do between two builds.
    pub(super) fn idle_report<'p>(&self, project: &'p Arc<Project>) -> Option<Report<'p>>
    where
        Self: 'p,
    {
        let running = self.servers.running();
        if running.is_empty() {
            return None;
        }
        let place = Place { cwd: &project.cwd, directory: None, args: &[] };
        // It writes no trace, so there is no error.
        let mut report = Report::new(&project.workspace, place, self.manner(), None).ok()?;
        let tasks = (0..).map(TaskId).zip(&project.workspace.tasks);
        for (task, _) in tasks.filter(|(_, task)| running.contains(&task.name)) {
            report.event(Event::Server { task, what: Served::Started });
        }
        Some(report)
    }

    /// Tells what servers do between two builds.
    pub(super) fn attend(&self, project: &Project, report: &mut Option<Report<'_>>) {
        report.iter_mut().for_each(|report| watching::attend(&self.servers, &project.workspace, report));
    }

    /// Notes the servers that a build has started, and forgets those that have ended.
    pub(super) fn note_servers(&mut self, runs: &[Run]) {
        let running = self.servers.running();
        for run in runs.iter().filter(|run| run.ended.is_none()) {
            self.serving.retain(|known| known.task != run.task);
            self.serving.push(run.clone());
        }
        self.serving.retain(|run| running.contains(&run.task));
    }

    /// Returns those of the changes that call for another build: what a server writes soon after each start, into its
    /// own inputs, would restart it again and again.
    pub(super) fn caused_by_servers(&mut self, target: &Target, changes: Vec<Change>) -> Vec<Change> {
        if self.serving.is_empty() {
            return changes;
        }
        let verdict = self.blame().meanwhile(&changes, &self.serving);
        self.tell_of_blamed(target, &verdict.blamed);
        let counts = |change: &Change| verdict.count.contains(&change.path);
        let changes: Vec<_> = changes.into_iter().filter(counts).collect();
        if !changes.is_empty() {
            self.blame().after(&changes, &self.serving, false);
        }
        changes
    }

    /// Ends the servers, and tells of it.
    pub(super) fn end_servers(&self) {
        let Some(project) = &self.last else { return };
        if let Some(mut report) = self.idle_report(project) {
            watching::end(&self.servers, &project.workspace, &self.user, &mut report);
            report.abandon();
        }
    }
}
