//! Displaced files: files whose content percache does not hold, and which were in the way of an output or were left by
//! a failed run.
//!
//! They are moved out of the tree, not deleted. They keep their paths, in one directory for each build that displaced
//! something, named by the time in milliseconds: `displaced/1764430000000-0/docs/notes.md`. So a file manager is enough
//! to get at them, and there is no index to lose.
//!
//! Knows nothing about tasks or worktrees, or about why something is displaced.

mod items;
mod relocate;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use percache::base::clock::Time;
use percache::base::files::create_private_dir;
use rustix::fs::{AtFlags, statat};

use crate::fs::stat_cache::FileState;
use crate::model::event::Moved;
use crate::model::path::RelPath;
use crate::syntax::shown::shown;

pub use items::{Amount, Item, delete, expire, give_back, list, measure};
use relocate::relocate;

/// The number of directories that are tried for one build: each holds one file of a name.
const BATCHES: u32 = 10_000;
/// The number of attempts to make a directory that another process keeps removing because it is empty.
const TRIES: u32 = 1_000;

/// The displaced files of a worktree.
pub struct Displaced {
    dir: PathBuf,
    root: PathBuf,
    /// Whether they belong to a single command.
    single: bool,
    /// Called before the first file is displaced.
    prepare: Option<Box<dyn Fn() + Send + Sync>>,
    /// Tells whether somebody else holds the file at a path.
    held_by_others: Option<Box<HeldByOthers>>,
    state: Mutex<State>,
}

/// Tells whether somebody else holds the file at a path, in the given state.
type HeldByOthers = dyn Fn(&RelPath, &FileState) -> bool + Send + Sync;

#[derive(Debug, Default)]
struct State {
    /// The time at which this build displaced the first file.
    began: Option<Time>,
    /// The number of the directory in use.
    batch: u32,
    /// Displaced files that were not reported yet, with the directory of this build that each is in.
    untold: Vec<(RelPath, PathBuf)>,
}

impl Displaced {
    /// Keeps the files displaced from the tree at `root` in `dir`.
    pub fn at(dir: PathBuf, root: &Path) -> Displaced {
        let (prepare, held_by_others) = (None, None);
        Displaced { dir, root: root.to_owned(), single: false, prepare, held_by_others, state: Mutex::default() }
    }

    /// Calls `prepare` before the first file is displaced.
    pub fn after(self, prepare: impl Fn() + Send + Sync + 'static) -> Displaced {
        Displaced { prepare: Some(Box::new(prepare)), ..self }
    }

    /// Marks these as files of a single command, with others beside it that may hold what is in its way.
    pub fn of_single(self, held: impl Fn(&RelPath, &FileState) -> bool + Send + Sync + 'static) -> Displaced {
        Displaced { single: true, held_by_others: Some(Box::new(held)), ..self }
    }

    /// Uses a new directory among the system's temporary files, if there is no store to write to. It is made once
    /// something is displaced.
    pub fn in_system(root: &Path) -> Displaced {
        let name = format!("percache-displaced-{:016x}", RandomState::new().hash_one(std::process::id()));
        Displaced::at(std::env::temp_dir().join(name), root)
    }

    /// Returns the directory that holds them.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the files that were displaced since the last call, if there are any.
    pub fn take_moved(&self) -> Option<Moved> {
        let untold = std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).untold);
        let (mut paths, mut batches): (Vec<_>, Vec<_>) = untold.into_iter().unzip();
        paths.sort();
        paths.dedup();
        batches.dedup();
        let to = match batches.as_slice() {
            [] => return None,
            [batch] => batch.clone(),
            _ => self.dir.clone(),
        };
        // A path to the store that leads through the workspace (`../store`) would break with the workspace.
        let real = |dir: &Path| dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        Some(Moved { root: self.root.clone(), paths, kept: real(&self.dir), to: real(&to), single: self.single })
    }

    /// Returns whether another single command has recorded what is at the path now.
    pub fn is_held_by_others(&self, path: &RelPath, state: &FileState) -> bool {
        self.held_by_others.as_ref().is_some_and(|held| held(path, state))
    }

    /// Moves the file at `path` here. `parent` is the directory that contains it.
    pub fn take_in(&self, parent: BorrowedFd<'_>, path: &RelPath) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tries = 0;
        let began = match state.began {
            Some(began) => began,
            None => {
                create_private_dir(&self.dir)?;
                // The original of a killed build's unfinished copy is still in its place.
                let _ = std::fs::remove_file(self.dir.join(WAITING));
                self.prepare.iter().for_each(|prepare| prepare());
                *state.began.insert(Time::now())
            }
        };
        while state.batch < BATCHES {
            let batch = self.dir.join(format!("{}-{}", began.as_millis(), state.batch));
            // An earlier displaced file may have the name of one of the directories.
            let moved = make_directories(&batch, parent, path)
                .and_then(|()| relocate(parent, path.file_name(), &path.to_path(&batch), &self.dir.join(WAITING)));
            match moved {
                Ok(()) => {
                    state.untold.push((path.clone(), batch));
                    return Ok(());
                }
                Err(e) if is_taken(&e) => state.batch += 1,
                // Another process that gives files back, or removes old ones, has removed an empty directory.
                Err(e) if e.kind() == io::ErrorKind::NotFound && tries < TRIES => tries += 1,
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::other(format!("too much was moved to `{}`", shown(&self.dir))))
    }
}

/// The name of an incomplete copy. Only one is made at a time.
const WAITING: &str = "copy.new";

/// Makes the directories of `path` in `batch`, with the permissions of those in the tree, from which giving files back
/// restores them.
fn make_directories(batch: &Path, parent: BorrowedFd<'_>, path: &RelPath) -> io::Result<()> {
    create_private_dir(batch)?;
    let names: Vec<_> = path.parent().iter().flat_map(RelPath::components).map(<[u8]>::to_vec).collect();
    let mut to = batch.to_owned();
    for (depth, name) in names.iter().enumerate() {
        to.push(std::ffi::OsStr::from_bytes(name));
        if !to.is_dir() {
            create_private_dir(&to)?;
            let above = "../".repeat(names.len() - 1 - depth) + ".";
            let mode = statat(parent, &*above, AtFlags::empty()).map_or(0, |stat| stat.st_mode);
            std::fs::set_permissions(&to, rights(mode))?;
        }
    }
    Ok(())
}

/// Returns the permissions of a directory, plus those that its owner needs to write to it.
fn rights(mode: u32) -> std::fs::Permissions {
    std::fs::Permissions::from_mode(mode & 0o7777 | 0o700)
}

fn is_taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::DirectoryNotEmpty
    )
}

#[cfg(test)]
mod tests;
