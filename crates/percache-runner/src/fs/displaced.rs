//! Displaced files: what was in the way of an output, or was left by a run that did not succeed, and whose content percache does not hold.
//!
//! They are moved out of the tree and never deleted. They lie under the paths that they had, in a directory for each build that displaced
//! something, named by the time in milliseconds: `displaced/1764430000000-0/docs/notes.md`. So no more than a file manager is
//! needed to get at them, and no index can be lost.
//!
//! Knows nothing of tasks, and not why something is displaced.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use percache::files::create_private_dir;
use percache::store::now;
use percache::store::record::Time;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, openat, readlinkat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use crate::fs::stamp::Stamp;
use crate::model::path::RelPath;

/// How many directories of one build are tried: each holds one file of a name.
const BATCHES: u32 = 10_000;

/// Where a worktree's displaced files are.
#[derive(Debug)]
pub struct Displaced {
    dir: PathBuf,
    place: Place,
    state: Mutex<State>,
}

/// Whose directory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The worktree's own, in the store.
    Worktree,
    /// That of a single command, in the store of these.
    Single,
    /// One for the occasion.
    Elsewhere,
}

#[derive(Debug)]
struct State {
    /// When this build displaced the first file.
    began: Option<Time>,
    /// The number of the directory in use.
    batch: u32,
    /// What was displaced and has not been told yet.
    untold: Vec<RelPath>,
}

/// A displaced file, symlink or special file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The path that it had.
    pub path: RelPath,
    /// When its build displaced the first file.
    pub when: Time,
    /// Where it is now.
    pub at: PathBuf,
}

impl Displaced {
    /// The displaced files in `dir`, which is made when there is something to be displaced.
    pub fn at(dir: PathBuf) -> Displaced {
        Displaced::new(dir, Place::Worktree)
    }

    /// The same, of a single command.
    pub fn of_single(dir: PathBuf) -> Displaced {
        Displaced::new(dir, Place::Single)
    }

    /// A new directory among the system's temporary files, for whoever has no store to write to. It is made when there is something to be displaced.
    pub fn in_system() -> Displaced {
        let name = format!("percache-displaced-{:016x}", RandomState::new().hash_one(std::process::id()));
        Displaced::new(std::env::temp_dir().join(name), Place::Elsewhere)
    }

    fn new(dir: PathBuf, place: Place) -> Displaced {
        Displaced { dir, place, state: Mutex::new(State { began: None, batch: 0, untold: Vec::new() }) }
    }

    /// Where they are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns what was displaced since this was asked the last time, sorted.
    pub fn take_untold(&self) -> Vec<RelPath> {
        let mut untold = std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).untold);
        untold.sort();
        untold.dedup();
        untold
    }

    /// Moves what is at `path` here. `parent` is the directory that it is in.
    pub fn take_in(&self, parent: BorrowedFd<'_>, path: &RelPath) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let began = *state.began.get_or_insert_with(now);
        while state.batch < BATCHES {
            let to = path.to_path(&self.dir.join(format!("{began}-{}", state.batch)));
            // A file that was displaced before may have the name of a directory.
            let made = to.parent().map_or(Ok(()), create_private_dir);
            match made.and_then(|()| relocate(parent, path.file_name(), &to)) {
                Ok(()) => {
                    state.untold.push(path.clone());
                    return Ok(());
                }
                Err(e) if is_taken(&e) => state.batch += 1,
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::other(format!("too much was moved to {}", self.dir.display())))
    }
}

/// What a user is told about what was displaced since this was asked the last time, if anything was.
pub fn note(displaced: &Displaced) -> Option<String> {
    const NAMED: usize = 3;
    let paths = displaced.take_untold();
    let names: Vec<_> = paths.iter().take(NAMED).map(|path| format!("`{path}`")).collect();
    let more = if paths.len() > NAMED { format!(" and {} more", paths.len() - NAMED) } else { String::new() };
    let way = match displaced.place {
        Place::Worktree => "`percache displaced` lists it and gives it back".to_owned(),
        Place::Single => "`percache displaced --exec` lists it and gives it back".to_owned(),
        Place::Elsewhere => format!("it is in {}", displaced.dir.display()),
    };
    (!names.is_empty()).then(|| {
        let names = names.join(", ");
        format!("moved {names}{more} aside, because percache does not hold that content: {way}")
    })
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

/// Lists what is displaced in `dir`, the oldest first.
pub fn list(dir: &Path) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for (when, batch) in batches(dir)? {
        collect(&batch, &batch, when, &mut items)?;
    }
    items.sort_by(|a, b| (a.when, &a.path, &a.at).cmp(&(b.when, &b.path, &b.at)));
    Ok(items)
}

/// Gives an item back: moves it to `to`, where nothing may be. Directories of `dir` that are empty then are removed.
pub fn give_back(dir: &Path, item: &Item, to: &Path) -> io::Result<()> {
    let parent = item.at.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = item.at.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    let fd = openat(CWD, parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    relocate(fd.as_fd(), name.as_bytes(), to)?;
    for above in parent.ancestors().take_while(|above| above.starts_with(dir)) {
        if fs::remove_dir(above).is_err() {
            break;
        }
    }
    Ok(())
}

/// Removes what builds before `before` have displaced. Returns how many files that were; with `dry_run`, how many it would be.
pub fn expire(dir: &Path, before: Time, dry_run: bool) -> io::Result<usize> {
    let mut count = 0;
    for (when, batch) in batches(dir)?.into_iter().filter(|(when, _)| *when < before) {
        let mut items = Vec::new();
        collect(&batch, &batch, when, &mut items)?;
        count += items.len();
        if !dry_run {
            fs::remove_dir_all(&batch)?;
        }
    }
    if !dry_run {
        // Fails while something is in it.
        let _ = fs::remove_dir(dir);
    }
    Ok(count)
}

/// The directories of builds, with their times.
fn batches(dir: &Path) -> io::Result<Vec<(Time, PathBuf)>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut batches = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let when = name.to_str().and_then(|name| name.split_once('-')?.0.parse().ok());
        batches.extend(when.map(|when| (when, entry.path())));
    }
    Ok(batches)
}

fn collect(batch: &Path, dir: &Path, when: Time, items: &mut Vec<Item>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let at = entry.path();
        if entry.file_type()?.is_dir() {
            collect(batch, &at, when, items)?;
        } else if let Some(path) = RelPath::from_native(batch, &at) {
            items.push(Item { path, when, at });
        }
    }
    Ok(())
}

/// Moves `name` in `parent` to `to`, where nothing may be; to another file system as a copy.
fn relocate(parent: BorrowedFd<'_>, name: &[u8], to: &Path) -> io::Result<()> {
    match rename_if_free(parent, name, to) {
        Err(Errno::XDEV) => copy(parent, name, to),
        moved => Ok(moved?),
    }
}

#[cfg(target_os = "linux")]
fn rename_if_free(parent: BorrowedFd<'_>, name: &[u8], to: &Path) -> Result<(), Errno> {
    match renameat_with(parent, name, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that does not know the flag.
        Err(Errno::INVAL | Errno::NOSYS) => rename_after_a_look(parent, name, to),
        moved => moved,
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_if_free(parent: BorrowedFd<'_>, name: &[u8], to: &Path) -> Result<(), Errno> {
    rename_after_a_look(parent, name, to)
}

fn rename_after_a_look(parent: BorrowedFd<'_>, name: &[u8], to: &Path) -> Result<(), Errno> {
    match statat(CWD, to, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => rustix::fs::renameat(parent, name, CWD, to),
        Err(e) => Err(e),
    }
}

/// Copies, and removes the original once the copy is on the disk.
fn copy(parent: BorrowedFd<'_>, name: &[u8], to: &Path) -> io::Result<()> {
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {
            let target = readlinkat(parent, name, Vec::new())?;
            symlink(std::ffi::OsStr::from_bytes(target.as_bytes()), to)?;
        }
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut from = File::from(openat(parent, name, flags, Mode::empty())?);
            let mut copy = File::options().write(true).create_new(true).mode(0o600).open(to)?;
            let copied = io::copy(&mut from, &mut copy).and_then(|_| {
                copy.set_permissions(fs::Permissions::from_mode(stat.st_mode & 0o7777))?;
                copy.set_modified(from.metadata()?.modified()?)?;
                copy.sync_all()
            });
            if let Err(e) = copied {
                // Half a copy is none.
                fs::remove_file(to)?;
                return Err(e);
            }
        }
        // A pipe, a socket or a device holds no content that could be lost.
        _ => return Ok(unlinkat(parent, name, AtFlags::empty())?),
    }
    // Somebody who wrote to it meanwhile keeps it.
    if Stamp::of(&statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?) != Stamp::of(&stat) {
        fs::remove_file(to)?;
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "somebody writes to it"));
    }
    Ok(unlinkat(parent, name, AtFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    fn open(dir: &Path) -> std::os::fd::OwnedFd {
        openat(CWD, dir, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    fn displace(root: &Path, displaced: &Displaced, what: &str, content: &str) {
        fs::write(root.join(what), content).unwrap();
        let parent = open(root.join(what).parent().unwrap());
        displaced.take_in(parent.as_fd(), &path(what)).unwrap();
        assert!(!root.join(what).exists());
    }

    #[test]
    fn what_is_displaced_is_listed_and_given_back() {
        let (tree, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (root, dir) = (tree.path(), store.path().join("displaced"));
        assert_eq!(list(&dir).unwrap(), []);
        fs::create_dir(root.join("docs")).unwrap();
        let displaced = Displaced::at(dir.clone());
        displace(root, &displaced, "docs/notes", "first");
        displace(root, &displaced, "docs/notes", "second");
        displace(root, &displaced, "top", "third");
        assert_eq!(displaced.take_untold(), [path("docs/notes"), path("top")]);
        assert_eq!(displaced.take_untold(), []);
        let items = list(&dir).unwrap();
        let contents: Vec<_> =
            items.iter().map(|item| (item.path.to_string(), fs::read_to_string(&item.at).unwrap())).collect();
        let expected = [("docs/notes", "first"), ("docs/notes", "second"), ("top", "third")];
        assert_eq!(contents, expected.map(|(path, content)| (path.to_owned(), content.to_owned())));

        fs::write(root.join("occupied"), "").unwrap();
        assert!(give_back(&dir, &items[0], &root.join("occupied")).is_err());
        give_back(&dir, &items[0], &root.join("new/notes")).unwrap();
        assert_eq!(fs::read_to_string(root.join("new/notes")).unwrap(), "first");
        assert_eq!(list(&dir).unwrap(), items[1..]);
        items[1..].iter().for_each(|item| give_back(&dir, item, &item.path.to_path(root)).unwrap());
        assert!(!dir.exists(), "nothing is left behind");
    }

    #[test]
    fn a_file_and_a_directory_of_one_name_are_both_kept() {
        let (tree, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = tree.path();
        let displaced = Displaced::at(store.path().join("displaced"));
        displace(root, &displaced, "a", "file");
        fs::create_dir(root.join("a")).unwrap();
        displace(root, &displaced, "a/b", "below");
        assert_eq!(list(displaced.dir()).unwrap().len(), 2);
    }

    #[test]
    fn what_is_old_goes_and_what_is_young_stays() {
        let store = tempfile::tempdir().unwrap();
        let dir = store.path().join("displaced");
        for (batch, name) in [("1000-0", "old"), ("3000-0", "young")] {
            fs::create_dir_all(dir.join(batch).join("x")).unwrap();
            fs::write(dir.join(batch).join("x").join(name), "").unwrap();
        }
        assert_eq!(expire(&dir, 2000, true).unwrap(), 1);
        assert_eq!(list(&dir).unwrap().len(), 2);
        assert_eq!(expire(&dir, 2000, false).unwrap(), 1);
        assert_eq!(list(&dir).unwrap().iter().map(|item| item.path.to_string()).collect::<Vec<_>>(), ["x/young"]);
        assert_eq!(expire(&dir, 4000, false).unwrap(), 1);
        assert!(!dir.exists());
    }

    #[test]
    fn a_copy_has_the_content_the_time_and_the_rights_and_the_original_is_gone() {
        let (tree, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(tree.path().join("file"), "x").unwrap();
        fs::set_permissions(tree.path().join("file"), fs::Permissions::from_mode(0o640)).unwrap();
        let modified = fs::metadata(tree.path().join("file")).unwrap().modified().unwrap();
        symlink("nowhere", tree.path().join("link")).unwrap();
        let root = open(tree.path());
        copy(root.as_fd(), b"file", &store.path().join("file")).unwrap();
        copy(root.as_fd(), b"link", &store.path().join("link")).unwrap();
        assert_eq!(fs::read_dir(tree.path()).unwrap().count(), 0);
        let metadata = fs::metadata(store.path().join("file")).unwrap();
        assert_eq!((metadata.modified().unwrap(), metadata.permissions().mode() & 0o777), (modified, 0o640));
        assert_eq!(fs::read_link(store.path().join("link")).unwrap(), Path::new("nowhere"));
    }
}
