//! Collects the paths that the tasks read now.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::Arc;

use super::{Reads, Scope, is_output, native};
use crate::fs::git_files::{Area, SourceTree};
use crate::fs::stat_cache::FileState;
use crate::fs::walk::{self, WalkError, Want};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::{Task, TaskId};

/// A snapshot that is being taken.
pub(super) struct Look<'a> {
    scope: Scope<'a>,
    reads: Reads,
    sources: Option<Arc<Vec<RelPath>>>,
    expanded: HashMap<String, Arc<BTreeSet<RelPath>>>,
}

impl Look<'_> {
    /// Returns the paths that the tasks read, without their states.
    pub(super) fn at(scope: Scope<'_>) -> Reads {
        let mut look = Look { scope, reads: Reads::default(), sources: None, expanded: HashMap::new() };
        scope.tasks.iter().for_each(|id| look.declared(*id));
        scope.tasks.iter().for_each(|id| look.late(scope.workspace.task(*id)));
        look.reads
    }

    fn declared(&mut self, id: TaskId) {
        let task = self.scope.workspace.task(id);
        if task.command.is_none() {
            return;
        }
        task.env_file.iter().for_each(|path| self.declare(path));
        for external in &task.external {
            let path = external.location(&self.scope.workspace.root);
            self.reads.declared.insert(path.into_os_string().into_vec(), FileState::Absent);
        }
        let mut inputs = self.matching(&task.inputs.patterns);
        inputs.extend(self.matching(&task.inputs.partial));
        for (path, _) in task.inputs.by_key() {
            if !self.is_output(path) {
                self.declare(path);
            }
        }
        if task.inputs.default {
            inputs.push(self.by_default(task));
        }
        self.reads.inputs.push((id, inputs));
    }

    /// Returns the files that a task without declared inputs depends on, without those that its patterns exclude.
    fn by_default(&mut self, task: &Task) -> Arc<BTreeSet<RelPath>> {
        let below = self.below(&task.dir);
        if task.inputs.patterns.is_empty() {
            return below;
        }
        Arc::new(below.iter().filter(|path| task.inputs.count(path, true)).cloned().collect())
    }

    fn declare(&mut self, path: &RelPath) {
        self.reads.declared.insert(path.as_bytes().to_vec(), FileState::Absent);
    }

    /// Returns the files that match the patterns now, without outputs. The patterns of many tasks differ only in the
    /// one file that each is about.
    fn matching(&mut self, patterns: &PatternSet) -> Vec<Arc<BTreeSet<RelPath>>> {
        let root = &self.scope.workspace.root;
        let is_file = |path: &RelPath| path.to_path(root).symlink_metadata().is_ok_and(|metadata| metadata.is_file());
        let (files, others) = patterns.split_off(&is_file);
        let files = files.into_iter().filter(|path| patterns.matches(path) && !self.is_output(path));
        let files: BTreeSet<RelPath> = files.cloned().collect();
        files.iter().for_each(|path| self.declare(path));
        vec![Arc::new(files), self.expand(&others)]
    }

    /// Returns the files that match the patterns now, without outputs.
    fn expand(&mut self, patterns: &PatternSet) -> Arc<BTreeSet<RelPath>> {
        let key: String = patterns.patterns().iter().map(|pattern| format!("{pattern}\n")).collect();
        if let Some(expanded) = self.expanded.get(&key) {
            return expanded.clone();
        }
        let Scope { workspace, skip, .. } = self.scope;
        let mut noted = Vec::new();
        let note = &mut |path: &RelPath| noted.push(path.clone());
        let found = walk::expand_noting(&workspace.root, patterns, skip, Want::Files, note);
        noted.iter().filter(|path| !self.is_output(path)).cloned().collect::<Vec<_>>().iter().for_each(|path| {
            self.declare(path);
        });
        let found = self.readable(found).into_iter().map(|found| found.path).filter(|path| !self.is_output(path));
        let found: Arc<BTreeSet<RelPath>> = Arc::new(found.collect());
        found.iter().for_each(|path| self.declare(path));
        self.expanded.insert(key, found.clone());
        found
    }

    /// Returns the files below a directory that git would not ignore, without outputs.
    fn below(&mut self, dir: &RelPath) -> Arc<BTreeSet<RelPath>> {
        let key = format!("below\n{dir}");
        if let Some(expanded) = self.expanded.get(&key) {
            return expanded.clone();
        }
        let found: BTreeSet<_> = self.sources().iter().filter(|path| path.starts_with(dir)).cloned().collect();
        let found = Arc::new(found);
        found.iter().for_each(|path| self.declare(path));
        self.expanded.insert(key, found.clone());
        found
    }

    /// Returns the files of the workspace that git would not ignore, without outputs and the configuration.
    fn sources(&mut self) -> Arc<Vec<RelPath>> {
        if let Some(sources) = &self.sources {
            return sources.clone();
        }
        let Scope { workspace, skip, caller, .. } = self.scope;
        let root = &workspace.root;
        let area = Area { root, skip, configuration: &workspace.files, caller };
        let tree = self.readable(SourceTree::scan(area).map(|tree| vec![tree])).pop().unwrap_or_default();
        // Every `git status` may rewrite the index. That a file becomes tracked is noticed with the next other change.
        let rules = tree.consulted().iter().filter(|path| !path.ends_with("index"));
        self.reads.rules.extend(rules.cloned());
        self.reads.directories.extend(tree.directories().iter().map(|dir| native(root, dir)));
        let counts = |path: &&RelPath| !workspace.files.contains(path) && !self.is_output(path);
        let files: Arc<Vec<_>> = Arc::new(tree.files().iter().filter(counts).cloned().collect());
        self.sources = Some(files.clone());
        files
    }

    /// Adds the inputs that a task discovered. A failed task that reports its inputs only on success may have read
    /// anything.
    fn late(&mut self, task: &Task) {
        let record = self.scope.journal.tasks.get(&task.name);
        let discovered = record.into_iter().flat_map(|record| record.discovered.iter());
        let is_output = |path: &[u8]| RelPath::new(path).is_ok_and(|path| self.is_output(&path));
        let mut late: Vec<_> = discovered.filter(|path| !is_output(path)).cloned().collect();
        if task.discovery.finds_inputs() && self.scope.failed.contains(&task.name) {
            late.extend(self.sources().iter().map(|path| path.as_bytes().to_vec()));
        }
        self.reads.late.extend(late.into_iter().map(|path| (path, FileState::Absent)));
    }

    fn is_output(&self, path: &RelPath) -> bool {
        is_output(self.scope, path)
    }

    /// Returns what was found. A directory that cannot be read is worth following: the build reports what is wrong with
    /// it.
    fn readable<T>(&mut self, found: Result<Vec<T>, WalkError>) -> Vec<T> {
        found.unwrap_or_else(|error| {
            self.reads.directories.extend(error.path.parent().map(Path::to_owned));
            self.reads.unreadable.insert(error.path);
            Vec::new()
        })
    }
}
