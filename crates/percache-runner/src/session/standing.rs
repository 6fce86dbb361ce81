//! What of an earlier build's finding still stands: which tasks are up to date, told before anything else is read.
//!
//! The journal holds the stamp of every path on which it rests that a task is up to date: files of the configuration, inputs, discovered
//! inputs, outputs, directories that were listed, and places where nothing was; and of files the digest. In the same environment and with
//! the same configuration, a task none of whose paths has changed is up to date still, if what it needs is: its patterns are not expanded,
//! and no database is opened. If that is all tasks that are asked for, not even the configuration is read.
//!
//! A path has not changed when it has the stamp that it had. A file with another one, or with one that is too young to stand for its
//! content, is read: what somebody has touched, or checked out and back, is as it was, and from now on known by its new stamp.
//!
//! Two rules keep it honest. All stamps on which a task's evidence rests must be those under which it was judged: when a path was seen
//! with two stamps or two contents in one build, whoever rests on it is judged anew. And a stamp counts only when it was older, when its
//! path was looked at, than the clock of the file system can resolve, so that whatever changes a file later changes its stamp too.

mod compare;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use percache::Digest;
use percache::store::now;
use rustix::fs::{CWD, Mode, OFlags, lstat, openat};

use crate::action::context::Tools;
use crate::environment::{self, Wishes};
use crate::fs::mapped_file::Image;
use crate::fs::stamp::moment;
use crate::fs::stat_table::Seen;
use crate::model::Caller;
use crate::process::Stop;
use crate::worktree::conditions::{Asked, Tool, variables_digest};
use crate::worktree::journal::{Flat, is_whole};

use compare::Doubtful;

/// Where and in what environment a build is to happen.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The workspace.
    pub root: &'a Path,
    /// The store's epoch.
    pub epoch: u64,
    /// The caller's variables.
    pub caller: &'a Caller,
}

/// What still holds of a journal.
pub struct Holds {
    /// Whether the evidence of tasks counts, touched or not: the configuration is the same, and so are the tools.
    pub conditions: bool,
    /// Tasks whose own evidence holds, if not all that are asked for are among them.
    untouched: HashSet<String>,
    /// Names of all tasks that are asked for, if every one of them is untouched.
    pub idle: Option<Vec<String>>,
    /// The tools that were asked.
    pub tools: Tools,
    /// The digest of what is kept of the configuration, which is the same.
    pub kept: Option<Digest>,
    /// Of each path in the journal, whether it has the stamp that it had.
    pub same: Vec<bool>,
    /// Files that were read, by their positions in the journal, and what is known of them now.
    pub read: Vec<(usize, Seen)>,
}

impl Holds {
    /// Names of the tasks that are asked for whose own evidence holds, and maybe of others. They are up to date if what they need is.
    pub fn untouched(&self) -> HashSet<&str> {
        self.untouched.iter().chain(self.idle.iter().flatten()).map(String::as_str).collect()
    }

    /// The same, when the evidence turns out not to count: only the answers of tools and the digests of files are left.
    pub fn without_conditions(self) -> Holds {
        Holds { conditions: false, untouched: HashSet::new(), idle: None, kept: None, same: Vec::new(), ..self }
    }
}

/// What still holds of the journal in `bytes`; `None` when its conditions do not. Anything that speaks against it, however little, is a no.
pub fn check(bytes: &Arc<Image>, asked: &Asked, around: Surroundings<'_>, threads: usize) -> Option<Holds> {
    let journal = Flat::decode(bytes).ok()?;
    let finding = journal.finding.as_ref()?;
    let same = journal.epoch == around.epoch && finding.args == asked.args;
    if !same || finding.environment != variables_digest(around.caller, &finding.variables) {
        return None;
    }
    let (began, root) = (moment(), open_root(around.root)?);
    let root = root.as_ref().map_or(CWD, AsFd::as_fd);
    // Without Ctrl-C: these are short, and the build that follows has its own.
    let stop = Stop::manual().ok()?;
    let (tools, other_tools) = (Tools::default(), AtomicBool::new(false));
    let request = finding.request.as_ref().filter(|(tasks, _)| *tasks == asked.tasks).map(|(_, positions)| positions);
    let (same, doubtful) = std::thread::scope(|scope| {
        let mut whole = false;
        let (same, doubtful) = compare::by_stamp(root, &journal.files, threads, || {
            // Hashing the journal takes a millisecond for some ten thousand paths: beside the stamps, and before anything that it names is
            // run.
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
        return Some(Holds { conditions: false, untouched: HashSet::new(), idle: None, tools, kept: None, same, read });
    }
    let now = now();
    let untouched: Vec<bool> =
        journal.tasks.iter().map(|task| task.sure && now < task.expiry && task.lists().all(holds)).collect();
    let name = |position: usize| journal.tasks[position].name.to_owned();
    let idle = request.filter(|positions| positions.iter().all(|i| untouched.get(*i as usize) == Some(&true)));
    let idle = idle.map(|positions| positions.iter().map(|i| name(*i as usize)).collect());
    let untouched = match idle {
        Some(_) => HashSet::new(),
        None => (0..untouched.len()).filter(|i| untouched[*i]).map(name).collect(),
    };
    Some(Holds { conditions: true, untouched, idle, tools, kept: finding.kept, same, read })
}

/// What is known of the paths of a journal.
struct Known<'a> {
    journal: &'a Flat<'a>,
    /// Of each path, whether it is as it was.
    same: Vec<bool>,
}

impl Known<'_> {
    fn holds(&self, list: u32) -> bool {
        self.journal.lists.get(list).iter().all(|position| self.same[*position as usize])
    }

    /// Of these files, those that something rests on that is asked for. None where nothing is to be gained: of a build of other tasks than
    /// the last one, or with another configuration, nobody knows what it is going to look at.
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

/// The directory to look at paths from; `None`: the current one, by which the system finds them a little faster.
#[allow(clippy::option_option, reason = "the outer one is the failure")]
fn open_root(root: &Path) -> Option<Option<OwnedFd>> {
    let (stat, current) = (lstat(root).ok()?, lstat(c".").ok()?);
    if (stat.st_dev, stat.st_ino) == (current.st_dev, current.st_ino) {
        return Some(None);
    }
    openat(CWD, root, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok().map(Some)
}

/// Whether a tool says the same as before; the answer is kept in `asked`.
fn says_the_same(tool: &Tool, around: Surroundings<'_>, asked: &Tools, stop: &Stop) -> bool {
    let wishes = Wishes { pass: &tool.pass, from: &tool.from, set: &tool.set, interactive: false };
    let variables = environment::resolve(wishes, around.caller, &[]).variables.into_iter().collect();
    let cwd = around.root.join(OsStr::from_bytes(&tool.cwd));
    asked.version(&tool.command, cwd, variables, stop) == Ok(tool.answer)
}

#[cfg(test)]
mod tests;
