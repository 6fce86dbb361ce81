//! The conditions under which the next build may trust what this one has found.

use std::collections::HashMap;

use percache::Digest;

use super::Build;
use super::begin::OpenWorktree;
use crate::action::context::Tools;
use crate::config::{Slips, keep};
use crate::environment::{self, Wishes};
use crate::model::{Task, TaskId};
use crate::worktree::Worktree;
use crate::worktree::conditions::{Finding, Tool, variables_digest};
use crate::worktree::journal::Journal;

impl Build<'_> {
    /// Returns the conditions under which the evidence in the journal counts; `None` if it must not be used.
    pub(super) fn finding(
        &self,
        opened: &OpenWorktree,
        configuration: u32,
        journal: &Journal,
        tasks: &[TaskId],
        asked: &Tools,
    ) -> Option<Finding> {
        let request = self.asked?;
        // The last three determine which files tell what git ignores.
        let always = ["LANG", "LC_*", "TZ", "HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_*"];
        let mut variables: Vec<String> = always.map(str::to_owned).into();
        variables.extend(self.workspace.tasks.iter().flat_map(|task| task.env_from.iter().cloned()));
        variables.sort();
        variables.dedup();
        let positions: HashMap<&str, u32> = journal.tasks.keys().map(String::as_str).zip(0..).collect();
        let commands = tasks.iter().map(|id| self.workspace.task(*id)).filter(|task| task.command.is_some());
        let positions: Option<Vec<u32>> = commands.map(|task| positions.get(task.name.as_str()).copied()).collect();
        Some(Finding {
            args: request.args,
            environment: variables_digest(self.caller, &variables),
            variables,
            tools: self.tools(journal, asked)?,
            configuration,
            kept: self.kept.or_else(|| self.keep_configuration(&opened.worktree)),
            // With a check rate, each build chooses anew which tasks to check. A server is to run even if nothing has
            // changed.
            request: positions
                .filter(|_| self.workspace.cache.check_rate == 0.0 && !self.serves && self.finds_all)
                .map(|positions| (request.tasks, positions)),
        })
    }

    /// Saves the configuration, and returns the digest of the copy. If it cannot be saved, the next build only spends
    /// time on reading it again.
    fn keep_configuration(&self, worktree: &Worktree) -> Option<Digest> {
        let digest = keep(self.workspace, &worktree.kept()).ok()?;
        Slips::of(self.workspace).keep(&digest, &worktree.slips()).ok().map(|()| digest)
    }

    /// Returns each distinct tool of the tasks with evidence once, with its current answer.
    fn tools(&self, journal: &Journal, asked: &Tools) -> Option<Vec<Tool>> {
        let mut tools = Vec::new();
        let sure = |task: &&Task| journal.tasks.get(&task.name).is_some_and(|record| record.evidence.sure);
        for task in self.workspace.tasks.iter().filter(|task| !task.tools.is_empty()).filter(sure) {
            for command in &task.tools {
                let wishes = Wishes::of(task);
                let variables = environment::resolve(wishes, self.caller, &[]).variables;
                let cwd = task.cwd.to_path(&self.workspace.root);
                let answer =
                    asked.version(&task.invocation(command), cwd, variables.into_iter().collect(), self.stop).ok()?;
                let tool = Tool {
                    command: task.invocation(command),
                    cwd: task.cwd.as_bytes().to_vec(),
                    pass: wishes.pass.to_vec(),
                    from: wishes.from.to_vec(),
                    set: wishes.set.clone(),
                    answer,
                };
                if !tools.contains(&tool) {
                    tools.push(tool);
                }
            }
        }
        Some(tools)
    }
}
