//! What of an earlier build's finding still stands: which tasks are up to date, told from stamps alone.
//!
//! The journal holds the stamp of every path on which it rests that a task is up to date: files of the configuration, inputs, discovered
//! inputs, outputs, directories that were listed, and places where nothing was. In the same environment and with the same configuration,
//! a task none of whose paths has another stamp is up to date still, if what it needs is: its patterns are not expanded, nothing is
//! hashed and no database is opened. If that is all tasks that are asked for, not even the configuration is read.
//!
//! Two rules keep it honest. All stamps on which a task's evidence rests must be those under which it was judged: when a path was seen
//! with two stamps in one build, whoever rests on it is judged anew. And a stamp counts only when it was older, when its path was
//! looked at, than the clock of the file system can resolve, so that whatever changes a file later changes its stamp too.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use percache::Digest;
use percache::store::now;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, lstat, openat, statat};
use rustix::io::Errno;

use crate::build::context::Tools;
use crate::environment::{self, Caller, Wishes};
use crate::finding::{Asked, Tool, variables_digest};
use crate::image::Image;
use crate::journal::{Flat, is_whole};
use crate::known::KnownFiles;
use crate::process::Stop;
use crate::stamp::Stamp;

/// Paths that are worth a thread.
const WORTH_A_THREAD: usize = 500;
/// Paths that a thread takes at a time.
const PART: usize = 100;

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
    /// Tasks whose own evidence holds. They are up to date if what they need is.
    pub untouched: HashSet<String>,
    /// Names of all tasks that are asked for, if every one of them is untouched.
    pub idle: Option<Vec<String>>,
    /// The tools that were asked.
    pub tools: Tools,
    /// The digest of what is kept of the configuration, which is the same.
    pub kept: Option<Digest>,
}

impl Holds {
    /// The same, when the evidence turns out not to count: only the answers of tools are left.
    pub fn without_conditions(self) -> Holds {
        Holds { conditions: false, untouched: HashSet::new(), idle: None, tools: self.tools, kept: None }
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
    let root = open_root(around.root)?;
    // Without Ctrl-C: these are short, and the build that follows has its own.
    let stop = Stop::manual().ok()?;
    let (tools, other_tools, whole) = (Tools::default(), AtomicBool::new(false), AtomicBool::new(true));
    let mut same = vec![false; journal.files.len()];
    let others = threads.min(same.len() / WORTH_A_THREAD + 1).saturating_sub(1);
    // A thread may begin milliseconds after another one: each takes what is left.
    let parts = Mutex::new(same.chunks_mut(PART).enumerate());
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    let compare_all = || {
        while let Some((number, part)) = next() {
            compare(root.as_ref().map_or(CWD, AsFd::as_fd), &journal.files, number * PART, part);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..others {
            scope.spawn(compare_all);
        }
        // Hashing the file takes a millisecond for some ten thousand paths: beside the stamps, and before anything that it names is run.
        whole.store(is_whole(bytes), Ordering::Relaxed);
        for tool in finding.tools.iter().filter(|_| whole.load(Ordering::Relaxed)) {
            let (tools, stop, other) = (&tools, &stop, &other_tools);
            scope.spawn(move || {
                if !says_the_same(tool, around, tools, stop) {
                    other.store(true, Ordering::Relaxed);
                }
            });
        }
        compare_all();
    });
    if !whole.into_inner() {
        return None;
    }
    let lists: Vec<bool> = (0..journal.lists.len() as u32)
        .map(|list| journal.lists.get(list).iter().all(|position| same[*position as usize]))
        .collect();
    let holds = |list: u32| lists.get(list as usize).is_some_and(|holds| *holds);
    if other_tools.into_inner() || !holds(finding.configuration) {
        return Some(Holds { conditions: false, untouched: HashSet::new(), idle: None, tools, kept: None });
    }
    let now = now();
    let untouched: Vec<bool> =
        journal.tasks.iter().map(|task| task.sure && now < task.expiry && task.lists().all(holds)).collect();
    let name = |position: usize| journal.tasks[position].name.to_owned();
    let asked_for = finding.request.as_ref().filter(|(tasks, _)| *tasks == asked.tasks).map(|(_, positions)| positions);
    let holds = |positions: &&Vec<u32>| positions.iter().all(|i| untouched.get(*i as usize) == Some(&true));
    let idle = asked_for.filter(holds);
    let idle = idle.map(|positions| positions.iter().map(|i| name(*i as usize)).collect());
    let untouched = match idle {
        Some(_) => HashSet::new(),
        None => (0..untouched.len()).filter(|i| untouched[*i]).map(name).collect(),
    };
    Some(Holds { conditions: true, untouched, idle, tools, kept: finding.kept })
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

/// Notes which of the paths from `start` on have the stamps that they had.
fn compare(root: BorrowedFd<'_>, files: &KnownFiles, start: usize, same: &mut [bool]) {
    for (i, same) in (start..).zip(same) {
        let seen = files.seen(i);
        if !seen.settled {
            continue;
        }
        let path = files.c_path(i);
        // An absolute path makes the call ignore the directory.
        let now = match statat(root, if path.is_empty() { c"." } else { path }, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(Stamp::of(&stat)),
            Err(Errno::NOENT | Errno::NOTDIR) => None,
            Err(_) => continue,
        };
        *same = now == seen.stamp;
    }
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
