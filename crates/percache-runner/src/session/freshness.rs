//! Checks which tasks are still up to date according to the last build, before anything else is read.
//!
//! The journal holds the stamp of every path that shows a task to be up to date: configuration files, inputs,
//! discovered inputs, outputs, listed directories, and paths where nothing was; for files, also the digest. In the same
//! environment and with the same configuration, a task none of whose paths has changed is still up to date if its
//! dependencies are: its patterns are not expanded, and no database is opened. If that holds for all requested tasks,
//! not even the configuration is read.
//!
//! A path is unchanged if its stamp is. A file is read if its stamp differs, or is too young to stand for the content:
//! a file that was touched, or checked out and back, counts as unchanged, and is known by its new stamp from then on.
//! Two rules keep this honest. The stamps that a task's evidence rests on must be those under which it was judged: if a
//! path was seen with two stamps or two contents in one build, every task that rests on it is judged again. And a stamp
//! counts only if it was older, when its path was looked at, than the clock of the file system can resolve, so that any
//! later change to the file also changes its stamp.

mod compare;
mod stamps;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use percache::Digest;
use percache::base::clock::Time;
use rustix::fs::{CWD, Mode, OFlags, lstat, openat};

use crate::action::context::Tools;
use crate::environment::{self, Wishes};
use crate::fs::mapped_file::Image;
use crate::fs::stamp::moment;
use crate::fs::stat_table::Seen;
use crate::model::Caller;
use crate::process::Stop;
use crate::worktree::conditions::{Asked, Tool, variables_digest};
use crate::worktree::directory::Worktree;
use crate::worktree::journal::{Flat, FlatTask, is_whole};

use compare::Doubtful;
pub use stamps::by_stamps;

/// The place and the environment of a build.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The root of the workspace.
    pub root: &'a Path,
    /// The store's epoch.
    pub epoch: u64,
    /// The caller's environment variables.
    pub caller: &'a Caller,
}

/// The part of a journal that still holds.
pub struct Freshness {
    /// Whether the evidence of tasks counts at all: the configuration and the tools are the same.
    pub conditions: bool,
    /// Names of the tasks whose own evidence holds; empty if `idle` is set.
    untouched: HashSet<String>,
    /// Names of the requested tasks, if every one of them is untouched.
    pub idle: Option<Vec<String>>,
    /// The tools that were asked, with their answers.
    pub tools: Tools,
    /// The digest of the saved configuration, which is unchanged.
    pub kept: Option<Digest>,
    /// For each path in the journal, whether its stamp is unchanged.
    pub same: Vec<bool>,
    /// Files that were read, by position in the journal, with what is known of them now.
    pub read: Vec<(usize, Seen)>,
}

impl Freshness {
    /// Returns the names of tasks whose own evidence holds. They are up to date if their dependencies are.
    pub fn untouched(&self) -> HashSet<&str> {
        self.untouched.iter().chain(self.idle.iter().flatten()).map(String::as_str).collect()
    }

    /// Drops everything but the answers of tools and the digests of files, because the evidence turned out not to
    /// count.
    pub fn without_conditions(self) -> Freshness {
        Freshness { conditions: false, untouched: HashSet::new(), idle: None, kept: None, same: Vec::new(), ..self }
    }
}

/// Checks what still holds of the journal in `bytes`. Returns `None` if its conditions do not hold. Any doubt, however
/// small, counts as a no.
pub fn check(bytes: &Arc<Image>, asked: &Asked, around: Surroundings<'_>, threads: usize) -> Option<Freshness> {
    let journal = Flat::decode(bytes).ok()?;
    let finding = journal.finding.as_ref()?;
    let same = journal.epoch == around.epoch && finding.args == asked.args;
    if !same || finding.environment != variables_digest(around.caller, &finding.variables) {
        return None;
    }
    let (began, root) = (moment(), open_root(around.root)?);
    let root = root.as_ref().map_or(CWD, AsFd::as_fd);
    // Deaf to Ctrl-C: these commands are short, and the build that follows has its own stop.
    let stop = Stop::manual().ok()?;
    let (tools, other_tools) = (Tools::default(), AtomicBool::new(false));
    let request = finding.request.as_ref().filter(|(tasks, _)| *tasks == asked.tasks).map(|(_, positions)| positions);
    let (same, doubtful) = std::thread::scope(|scope| {
        let mut whole = false;
        let (same, doubtful) = compare::by_stamp(root, &journal.files, threads, || {
            // Hashing the journal takes a millisecond for some ten thousand paths, so it overlaps with the stamps; it
            // must come before any tool that the journal names is run.
            whole = is_whole(bytes);
            for tool in finding.tools.iter().filter(|_| whole) {
                let (tools, stop, other) = (&tools, &stop, &other_tools);
                scope.spawn(move || {
                    if !says_the_same(tool, around, tools, stop) {
                        other.store(true, Ordering::Relaxed);
                    }
                });
            }
        });
        whole.then_some((same, doubtful))
    })?;
    let mut known = Known { journal: &journal, same: same.clone() };
    let doubtful = known.worth_reading(doubtful, finding.configuration, request);
    let read = compare::by_content(root, &journal.files, doubtful, began, threads);
    read.iter().for_each(|(position, _, same)| known.same[*position] = *same);
    let read = read.into_iter().map(|(position, seen, _)| (position, seen)).collect();
    let lists: Vec<bool> = (0..journal.lists.len() as u32).map(|list| known.holds(list)).collect();
    let holds = |list: u32| lists.get(list as usize).is_some_and(|holds| *holds);
    if other_tools.into_inner() || !holds(finding.configuration) {
        let same = Vec::new();
        return Some(Freshness {
            conditions: false,
            untouched: HashSet::new(),
            idle: None,
            tools,
            kept: None,
            same,
            read,
        });
    }
    let now = Time::now();
    let here = Worktree::place(around.root);
    let stands = |task: &FlatTask<'_>| task.sure && now < task.expiry && task.counts_in(&here);
    let untouched: Vec<bool> = journal.tasks.iter().map(|task| stands(task) && task.lists().all(holds)).collect();
    let name = |position: usize| journal.tasks[position].name.to_owned();
    let idle = request.filter(|positions| positions.iter().all(|i| untouched.get(*i as usize) == Some(&true)));
    // A server that nothing needs is unchanged, and nothing that anybody would count.
    let counts = |position: &usize| journal.tasks[*position].has_result();
    let idle = idle.map(|positions| positions.iter().map(|i| *i as usize).filter(counts).map(name).collect());
    let untouched = match idle {
        Some(_) => HashSet::new(),
        None => (0..untouched.len()).filter(|i| untouched[*i]).map(name).collect(),
    };
    Some(Freshness { conditions: true, untouched, idle, tools, kept: finding.kept, same, read })
}

/// What is known about the paths of a journal.
struct Known<'a> {
    journal: &'a Flat<'a>,
    /// For each path, whether it is unchanged.
    same: Vec<bool>,
}

impl Known<'_> {
    fn holds(&self, list: u32) -> bool {
        self.journal.lists.get(list).iter().all(|position| self.same[*position as usize])
    }

    /// Keeps the files that a requested task rests on. Keeps none if reading cannot pay off: nobody knows what a build
    /// of other tasks than last time, or with another configuration, will look at.
    fn worth_reading(
        &self,
        mut doubtful: Vec<Doubtful>,
        configuration: u32,
        request: Option<&Vec<u32>>,
    ) -> Vec<Doubtful> {
        let Some(positions) = request.filter(|_| !doubtful.is_empty()) else { return Vec::new() };
        let mut may_be = self.same.clone();
        doubtful.iter().for_each(|file| may_be[file.position] = true);
        if !self.journal.lists.get(configuration).iter().all(|position| may_be[*position as usize]) {
            return Vec::new();
        }
        let tasks = positions.iter().filter_map(|i| self.journal.tasks.get(*i as usize));
        let mut wanted = vec![false; self.journal.files.len()];
        let lists: HashSet<u32> = tasks.flat_map(|task| task.lists()).chain([configuration]).collect();
        let positions = lists.iter().flat_map(|list| self.journal.lists.get(*list));
        positions.for_each(|position| wanted[*position as usize] = true);
        doubtful.retain(|file| wanted[file.position]);
        doubtful
    }
}

/// Opens the directory that paths are relative to. `None` stands for the current directory, which lets the OS resolve
/// paths a little faster.
#[allow(clippy::option_option, reason = "the outer one is the failure")]
fn open_root(root: &Path) -> Option<Option<OwnedFd>> {
    let (stat, current) = (lstat(root).ok()?, lstat(c".").ok()?);
    if (stat.st_dev, stat.st_ino) == (current.st_dev, current.st_ino) {
        return Some(None);
    }
    openat(CWD, root, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok().map(Some)
}

/// Returns whether a tool gives the same answer as before, and keeps the answer in `asked`.
fn says_the_same(tool: &Tool, around: Surroundings<'_>, asked: &Tools, stop: &Stop) -> bool {
    let wishes = Wishes { pass: &tool.pass, from: &tool.from, set: &tool.set, interactive: false };
    let variables = environment::resolve(wishes, around.caller, &[]).variables.into_iter().collect();
    let cwd = around.root.join(OsStr::from_bytes(&tool.cwd));
    asked.version(&tool.command, cwd, variables, stop) == Ok(tool.answer)
}

#[cfg(test)]
mod tests;
