//! Symlinks among the inputs. A symlink on the way to an input is itself an input, by its target text; the file that a
//! symlinked input leads to is hashed with it.
//!
//! Output directories are exempt: a symlink there only says where somebody keeps outputs, and outputs count by their
//! content.

use std::collections::BTreeSet;

use crate::action::context::Context;
use crate::action::inputs::Dependencies;
use crate::fs::links::{Trail, parent};
use crate::fs::stat_cache::{Behind, FileState};
use crate::model::path::RelPath;
use crate::model::problem::{Trouble, reason};
use crate::model::{Task, TaskId};

/// The symlink state of one task.
pub struct InputLinks<'a> {
    ctx: &'a Context<'a>,
    task: &'a Task,
    needed: Option<Vec<TaskId>>,
}

impl<'a> InputLinks<'a> {
    /// Starts with nothing known about the inputs of `task`.
    pub fn new(ctx: &'a Context<'a>, task: &'a Task) -> InputLinks<'a> {
        InputLinks { ctx, task, needed: None }
    }

    /// Returns the symlinks on the way to these inputs, which are sorted, and to the directory in which the command
    /// runs. Adds to `watched` the paths that determine where they lead.
    pub fn on_the_way(&mut self, inputs: &[RelPath], watched: &mut Vec<Vec<u8>>) -> Result<BTreeSet<RelPath>, Trouble> {
        let mut links = BTreeSet::new();
        if let Some(trail) = self.ctx.observer.way(self.task.cwd.as_bytes()) {
            watched.extend(trail.links.iter().cloned());
            // Symlinks to output directories included: a command may go up from there by `..`.
            links.extend(trail.links.iter().filter_map(|link| RelPath::new(link).ok()));
        }
        let (mut last, mut behind) = (None, None);
        for path in inputs {
            let directory = parent(path.as_bytes());
            // The inputs are sorted, so most are in the same directory as the one before.
            if last != Some(directory) {
                behind = self.ctx.observer.way(directory);
                last = Some(directory);
                behind.iter().for_each(|trail| self.add(trail, &mut links, watched));
            }
            if self.ctx.places().is_behind_a_link(path) {
                self.check_owner(path, path)?;
            }
            if let Some(trail) = &behind
                && !trail.links.iter().any(|link| self.is_place(link))
                && let Some(real) = trail.end_inside()
            {
                self.check_owner(path, &real.child(path.file_name()))?;
            }
        }
        Ok(links)
    }

    fn add(&self, trail: &Trail, links: &mut BTreeSet<RelPath>, watched: &mut Vec<Vec<u8>>) {
        watched.extend(trail.links.iter().cloned());
        links.extend(self.counted(trail));
    }

    /// Returns the symlinks of a trail that are inputs themselves. Outside the workspace, only the end of the trail
    /// counts.
    fn counted(&self, trail: &Trail) -> impl Iterator<Item = RelPath> {
        trail.links.iter().filter(|link| !self.is_place(link)).filter_map(|link| RelPath::new(link).ok())
    }

    fn is_place(&self, link: &[u8]) -> bool {
        RelPath::new(link).is_ok_and(|link| self.ctx.is_place_of_outputs(&link))
    }

    /// Completes the inputs that are symlinks: adds the symlinks on the way to their targets, and adds to `watched`
    /// every path that this depends on.
    pub fn settle(
        &mut self,
        deps: &Dependencies,
        inputs: &mut Vec<(RelPath, FileState)>,
        watched: &mut Vec<Vec<u8>>,
    ) -> Result<(), Trouble> {
        let mut further = BTreeSet::new();
        let mut kept = Vec::with_capacity(inputs.len());
        for (path, mut state) in std::mem::take(inputs) {
            if let FileState::Symlink { behind, .. } = &mut state {
                let Some(trail) = self.ctx.observer.trail(path.as_bytes()) else {
                    kept.push((path, state));
                    continue;
                };
                watched.extend(trail.links.iter().cloned());
                if *behind == Behind::Directory && self.ctx.is_place_of_outputs(&path) {
                    watched.extend(trail.end.iter().cloned());
                    // In another tree, it is a directory, which is an output of a dependency or no input at all.
                    if deps.iter().any(|(_, visible)| visible.outputs.binary_search(&path).is_ok()) {
                        kept.push((path, FileState::Directory));
                    }
                    continue;
                }
                if self.counts(&path, &trail)? {
                    watched.extend(trail.end.iter().cloned());
                } else {
                    *behind = Behind::Nothing;
                }
                further.extend(self.counted(&trail));
            }
            kept.push((path, state));
        }
        further.retain(|link| kept.binary_search_by(|(path, _)| path.cmp(link)).is_err());
        for link in further {
            let state = self.ctx.observer.observe(link.as_bytes());
            let state = state.map_err(|e| format!("its input `{link}` cannot be read: {}", reason(&e)))?;
            kept.push((link, state));
        }
        kept.sort_by(|(a, _), (b, _)| a.cmp(b));
        *inputs = kept;
        Ok(())
    }

    /// Returns whether the target of an input counts. An output of the task itself does not; without declared inputs,
    /// neither does an output of a task that this one does not depend on.
    fn counts(&mut self, path: &RelPath, trail: &Trail) -> Result<bool, Trouble> {
        let Some(end) = trail.end_inside().and_then(|end| end.join(&trail.rest).ok()) else { return Ok(true) };
        let Some(owner) = self.stranger(&end) else { return Ok(true) };
        if self.ctx.workspace.task(owner).name == self.task.name || self.task.inputs.default {
            return Ok(false);
        }
        Err(self.undeclared(path, &end, owner))
    }

    fn check_owner(&mut self, path: &RelPath, real: &RelPath) -> Result<(), Trouble> {
        match self.stranger(real).filter(|owner| self.ctx.workspace.task(*owner).name != self.task.name) {
            Some(owner) => Err(self.undeclared(path, real, owner)),
            None => Ok(()),
        }
    }

    fn undeclared(&self, path: &RelPath, real: &RelPath, owner: TaskId) -> Trouble {
        let owner = &self.ctx.workspace.task(owner).name;
        let named = self.ctx.places().maker(self.ctx.graph, real).map_or_else(|| real.clone(), |(_, named)| named);
        let message = format!("its input `{path}` is `{named}`, which `{owner}` makes, without depending on it");
        Trouble::new(message, format!("add `{owner}` to its `deps`"))
    }

    /// Returns the task that makes the file at this path, if this task does not depend on it.
    fn stranger(&mut self, path: &RelPath) -> Option<TaskId> {
        let (owner, _) = self.ctx.places().maker(self.ctx.graph, path)?;
        let needed = self.needed.get_or_insert_with(|| {
            let direct: Vec<_> = self.task.deps.iter().chain(&self.task.inferred).copied().collect();
            self.ctx.graph.closure(&direct)
        });
        needed.binary_search(&owner).is_err().then_some(owner)
    }
}

/// Returns the files below the directory of a task without declared inputs, when that directory is reached through a
/// symlink: by their names through the symlink.
pub fn sources_behind(ctx: &Context<'_>, task: &Task, trail: &Trail) -> Result<Vec<RelPath>, Trouble> {
    let Some(real) = trail.end_inside() else {
        let message = format!("which files it reads is not known: `{}` leads out of the workspace", task.dir);
        return Err(Trouble::new(message, "declare its `inputs`"));
    };
    let found = ctx.sources()?.iter().filter_map(|path| path.below(&real).filter(|rest| !rest.is_empty()));
    let mut found: Vec<_> = found.filter_map(|rest| task.dir.join(rest).ok()).collect();
    found.retain(|path| !ctx.workspace.files.contains(path) && ctx.graph.outputs.owner(path).is_none());
    Ok(found)
}
