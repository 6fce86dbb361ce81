//! The displaced files in the store: lists, measures and gives them back, and removes those that are too old.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::relocate::relocate;
use crate::fs::beneath::new_temporary_name;
use crate::model::path::RelPath;
use crate::syntax::shown::shown;
use crate::syntax::units::format_size;
use percache::base::clock::Time;

/// A displaced file, symlink or special file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The time at which its build displaced the first file, and the number of that build's directory that it is in.
    pub when: (Time, u32),
    /// Its original path.
    pub path: RelPath,
    /// Its current path.
    pub at: PathBuf,
}

/// An amount of displaced files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// The number of files, symlinks and special files.
    pub files: usize,
    /// The sum of their sizes.
    pub bytes: u64,
}

impl Amount {
    /// Adds another amount.
    pub fn add(&mut self, other: Amount) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.files == 1 { "" } else { "s" };
        write!(f, "{} displaced file{s} ({})", self.files, format_size(self.bytes))
    }
}

impl Item {
    /// Returns a name that tells the versions of one path apart.
    pub fn version(&self) -> String {
        let (when, batch) = self.when;
        format!("{}-{batch}", when.as_millis())
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        fs::symlink_metadata(&self.at).map_or(0, |metadata| metadata.len())
    }

    /// Returns the directory of the build that displaced it.
    fn batch(&self) -> &Path {
        let mut above = self.at.ancestors();
        above.nth(self.path.components().count()).unwrap_or(&self.at)
    }
}

/// Lists the displaced files in `dir`, the oldest first.
pub fn list(dir: &Path) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for (when, batch) in batches(dir)? {
        collect(&batch, &batch, when, &mut items)?;
    }
    items.sort();
    Ok(items)
}

/// Adds up the displaced files in `dir`.
pub fn measure(dir: &Path) -> io::Result<Amount> {
    Ok(sum(&list(dir)?))
}

fn sum(items: &[Item]) -> Amount {
    Amount { files: items.len(), bytes: items.iter().map(Item::size).sum() }
}

/// Gives an item back: moves it to `to`, which must be free. Removes directories in `dir` that are empty afterwards.
pub fn give_back(dir: &Path, item: &Item, to: &Path) -> io::Result<()> {
    let parent = item.at.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = item.at.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let fd = openat(CWD, parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    make_room(item, to)?;
    let waiting = to.with_file_name(std::ffi::OsStr::from_bytes(&new_temporary_name(&item.path)));
    relocate(fd.as_fd(), name.as_bytes(), to, &waiting)?;
    prune(dir, item);
    Ok(())
}

/// Deletes an item for good. Removes directories in `dir` that are empty afterwards.
pub fn delete(dir: &Path, item: &Item) -> io::Result<()> {
    fs::remove_file(&item.at).or_else(unless_gone)?;
    prune(dir, item);
    Ok(())
}

fn prune(dir: &Path, item: &Item) {
    for above in item.at.ancestors().skip(1).take_while(|above| above.starts_with(dir)) {
        if fs::remove_dir(above).is_err() {
            break;
        }
    }
}

/// Makes the ancestors of `to`. The directories that the item was in get their permissions back.
fn make_room(item: &Item, to: &Path) -> io::Result<()> {
    let Some(parent) = to.parent() else { return Ok(()) };
    let depth = item.path.components().count();
    let Some(top) = to.ancestors().nth(depth).filter(|top| item.path.to_path(top) == to) else {
        return fs::create_dir_all(parent);
    };
    fs::create_dir_all(top).map_err(no_directory)?;
    let real_top = top.canonicalize()?;
    let (mut from, mut made) = (item.batch().to_owned(), top.to_owned());
    for name in parent.strip_prefix(top).unwrap_or(Path::new("")) {
        from.push(name);
        made.push(name);
        let mode = fs::metadata(&from)?.mode() & 0o7777;
        match fs::DirBuilder::new().mode(0o700).create(&made) {
            Ok(()) => fs::set_permissions(&made, fs::Permissions::from_mode(mode))?,
            // A symlink is followed, but not to anywhere: neither the tree nor the store is necessarily the user's own
            // work.
            Err(_) if made.is_dir() => match made.canonicalize()?.starts_with(&real_top) {
                true => {}
                false => return Err(leads_out(&made, top)),
            },
            Err(e) => return Err(no_directory(e)),
        }
    }
    Ok(())
}

fn leads_out(directory: &Path, top: &Path) -> io::Error {
    let message = format!("`{}` leads out of `{}`", shown(directory), shown(top));
    io::Error::new(io::ErrorKind::PermissionDenied, message)
}

/// Tells a file in place of a directory from one in place of the file itself.
fn no_directory(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::AlreadyExists { io::ErrorKind::NotADirectory.into() } else { error }
}

/// Removes what builds before `before` have displaced. Returns how much that was; with `dry_run`, how much it would be.
pub fn expire(dir: &Path, before: Time, dry_run: bool) -> io::Result<Amount> {
    let mut amount = Amount::default();
    for (when, batch) in batches(dir)?.into_iter().filter(|((when, _), _)| *when < before) {
        let mut items = Vec::new();
        collect(&batch, &batch, when, &mut items)?;
        amount.add(sum(&items));
        if !dry_run {
            fs::remove_dir_all(&batch).or_else(unless_gone)?;
        }
    }
    if !dry_run {
        // This fails while something is in it.
        let _ = fs::remove_dir(dir);
    }
    Ok(amount)
}

/// Returns the directories of builds, with their times and numbers.
fn batches(dir: &Path) -> io::Result<Vec<((Time, u32), PathBuf)>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut batches = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let when = name.to_str().and_then(|name| name.split_once('-'));
        let when = when.and_then(|(when, number)| Some((Time::from_millis(when.parse().ok()?), number.parse().ok()?)));
        // The target of a symlink that somebody put there was not displaced.
        if entry.file_type()?.is_dir() {
            batches.extend(when.map(|when| (when, entry.path())));
        }
    }
    Ok(batches)
}

fn collect(batch: &Path, dir: &Path, when: (Time, u32), items: &mut Vec<Item>) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        // Another process has given it back meanwhile.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let at = entry.path();
        if entry.file_type()?.is_dir() {
            collect(batch, &at, when, items)?;
        } else if let Some(path) = RelPath::from_native(batch, &at) {
            items.push(Item { when, path, at });
        }
    }
    Ok(())
}

fn unless_gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
