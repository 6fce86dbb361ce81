//! What a command finds that is executed elsewhere: its inputs with their content, and the directories that it finds
//! here.
//!
//! A task that discovers inputs reads more than it declares. What that is, is known from its last run ([`Reads::Known`]);
//! if it is not, the command gets everything that it may read ([`Reads::Anything`]), and its depfile says what it has
//! read.
//!
//! Everything is named by the path that it has in a clean tree. A symlink that leads out of the workspace is replaced by
//! the file that it leads to.

use std::collections::BTreeMap;

use crate::action::context::Context;
use crate::action::directories::output_directories;
use crate::action::executor::Action;
use crate::action::workers::{InputKind, RemoteInput};
use crate::fs::outputs::present;
use crate::fs::stat_cache::{Behind, FileState};
use crate::model::Task;
use crate::model::path::RelPath;

/// What a command may read besides its declared inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// What it has read the last time.
    Known,
    /// All sources, and the outputs of all tasks that are done before.
    Anything,
}

impl Reads {
    /// Returns what the first attempt of a task may read.
    pub fn of(ctx: &Context<'_>, task: &Task) -> Reads {
        let record = ctx.journal.tasks.get(&task.name);
        let is_known = record.is_some_and(|record| record.key.is_some() || !record.discovered.is_empty());
        if task.discovery.finds_inputs() && !is_known { Reads::Anything } else { Reads::Known }
    }
}

/// Returns the inputs of a command; the error says why only this machine has them.
pub fn input_root(ctx: &Context<'_>, action: &Action<'_>, reads: Reads) -> Result<Vec<RemoteInput>, String> {
    let mut root = InputRoot { ctx, inputs: BTreeMap::new() };
    if let Some(external) = action.task.external.first() {
        return Err(format!("its external input `{}` is on this machine", external.0));
    }
    for (path, state) in &action.prepared.inputs {
        root.add(path, state)?;
    }
    for (path, state) in &action.prepared.further {
        root.add(&RelPath::new(path).map_err(|_| "an input lies outside of the workspace".to_owned())?, state)?;
    }
    match reads {
        Reads::Known => root.add_discovered(action)?,
        Reads::Anything => root.add_anything(action)?,
    }
    for directory in output_directories(action.task).chain([action.task.cwd.clone()]) {
        let directory = root.real(&directory)?;
        if !directory.is_root() {
            root.inputs.entry(directory).or_insert(InputKind::Directory);
        }
    }
    root.into_inputs()
}

struct InputRoot<'a> {
    ctx: &'a Context<'a>,
    inputs: BTreeMap<RelPath, InputKind>,
}

impl InputRoot<'_> {
    /// Adds what the last run of the task has read besides its declared inputs.
    fn add_discovered(&mut self, action: &Action<'_>) -> Result<(), String> {
        let Some(record) = self.ctx.journal.tasks.get(&action.task.name) else { return Ok(()) };
        for path in record.discovered.iter().filter_map(|path| RelPath::new(path).ok()) {
            // Directories are among them because of a `..`, and a worker has those of its inputs.
            let state = self.ctx.observer.observe(path.as_bytes()).map_err(|e| format!("`{path}`: {e}"))?;
            if matches!(state, FileState::File { .. } | FileState::Symlink { .. }) {
                self.add(&path, &state)?;
            }
        }
        Ok(())
    }

    /// Adds the sources of the workspace, and what the tasks have made that are done before this one.
    fn add_anything(&mut self, action: &Action<'_>) -> Result<(), String> {
        let before = self.ctx.graph.closure(&[action.id]).into_iter().filter(|id| *id != action.id);
        let mut paths = Vec::new();
        for id in before {
            let outputs = present(self.ctx.observer.root(), &self.ctx.workspace.task(id).outputs, &self.ctx.skip);
            paths.extend(outputs.map_err(|e| e.to_string())?.into_iter().map(|found| found.path));
        }
        let sources = self.ctx.away.as_ref().map(|away| away.sources(self.ctx)).transpose()?.unwrap_or_default();
        for path in sources.iter().chain(&paths) {
            let state = self.ctx.observer.observe(path.as_bytes()).map_err(|e| format!("`{path}`: {e}"))?;
            // What leads out of the workspace may be none of its business; if it is, it fails there.
            if matches!(state, FileState::File { .. } | FileState::Symlink { .. }) {
                self.add(path, &state).unwrap_or_else(|reason| log::debug!("left out: {reason}"));
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &RelPath, state: &FileState) -> Result<(), String> {
        let path = match path.parent() {
            Some(parent) => self.real(&parent)?.child(path.file_name()),
            None => path.clone(),
        };
        let kind = match state {
            FileState::Absent => return Ok(()),
            FileState::Special => return Err(format!("its input `{path}` is neither file nor directory")),
            FileState::Directory => InputKind::Directory,
            FileState::File { digest, executable } => InputKind::File { digest: *digest, executable: *executable },
            FileState::Symlink { target, behind } => self.link(&path, target, behind)?,
        };
        // A directory that is there for what is in it says nothing more.
        match kind {
            InputKind::Directory => drop(self.inputs.entry(path).or_insert(kind)),
            kind => drop(self.inputs.insert(path, kind)),
        }
        Ok(())
    }

    /// Returns what stands for a symlink: the symlink, if it stays in the workspace, and then its target is an input,
    /// too.
    fn link(&mut self, path: &RelPath, target: &[u8], behind: &Behind) -> Result<InputKind, String> {
        let trail = self.ctx.observer.trail(path.as_bytes());
        let end = trail.as_ref().and_then(|trail| trail.end_inside());
        let stays = !target.starts_with(b"/") && (end.is_some() || *behind == Behind::Nothing);
        if !stays {
            return match behind {
                Behind::File { digest, executable } => Ok(InputKind::File { digest: *digest, executable: *executable }),
                _ => Err(format!("its input `{path}` leads out of the workspace")),
            };
        }
        if let (Some(end), Behind::File { digest, executable }) = (end, behind) {
            self.inputs.insert(end, InputKind::File { digest: *digest, executable: *executable });
        }
        let target = String::from_utf8(target.to_vec()).map_err(|_| not_text(path))?;
        Ok(InputKind::Symlink(target))
    }

    /// Returns the path of a directory in a clean tree: without the symlinks on the way, except those in the place of
    /// output directories, which are directories there.
    fn real(&self, directory: &RelPath) -> Result<RelPath, String> {
        let Some(trail) = self.ctx.observer.way(directory.as_bytes()) else { return Ok(directory.clone()) };
        let is_place = |link: &Vec<u8>| RelPath::new(link).is_ok_and(|link| self.ctx.is_place_of_outputs(&link));
        if trail.links.iter().all(is_place) {
            return Ok(directory.clone());
        }
        let inside = trail.end_inside().and_then(|end| end.join(&trail.rest).ok());
        inside.ok_or_else(|| format!("`{directory}` leads out of the workspace"))
    }

    fn into_inputs(self) -> Result<Vec<RemoteInput>, String> {
        let input = |(path, kind): (RelPath, InputKind)| {
            let path = path.to_str().ok_or_else(|| not_text(&path))?.to_owned();
            Ok(RemoteInput { path, kind })
        };
        self.inputs.into_iter().map(input).collect()
    }
}

fn not_text(path: &RelPath) -> String {
    format!("the name `{path}` is not UTF-8")
}
