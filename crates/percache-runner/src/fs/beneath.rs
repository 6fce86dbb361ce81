//! Writing into the workspace without ever leaving it.
//!
//! A path of an output may lead through a symlink that somebody planted, before or while it is restored. So the directory is opened
//! first, in a way in which the kernel refuses to leave the workspace (`openat2` with RESOLVE_BENEATH; elsewhere step by step without
//! following symlinks), and everything else happens relative to the open directory.
//!
//! Says nothing about what may be removed or replaced: that is decided in [`crate::fs::clearing`] alone.

mod detour;
mod system;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use crate::fs::displaced::Displaced;
use crate::fs::links;
use crate::fs::stamp::Stamp;
use crate::fs::stat_cache::Observer;
use crate::fs::walk::is_absence;
use crate::model::path::RelPath;

use detour::Detour;
use system::{beneath, rename_if_free, rename_if_free_at, rename_noreplace};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A workspace to write into. Keeps directories open that it has come through.
pub struct Tree {
    root: PathBuf,
    fd: Arc<OwnedFd>,
    open: HashMap<RelPath, Arc<OwnedFd>>,
    /// Directories that were made.
    made: Vec<RelPath>,
    /// Directories through which the workspace may be left.
    follow: Vec<RelPath>,
    /// Of directories, the group that they hand down to what is made in them, if they do.
    groups: HashMap<RelPath, Option<Gid>>,
}

/// How many directories are kept open.
const KEPT_OPEN: usize = 128;

impl Tree {
    /// The workspace at `root`.
    pub fn open(root: &Path) -> io::Result<Tree> {
        let fd = openat(CWD, root, DIRECTORY, Mode::empty())?;
        Ok(Tree {
            root: root.to_owned(),
            fd: Arc::new(fd),
            open: HashMap::new(),
            made: Vec::new(),
            follow: Vec::new(),
            groups: HashMap::new(),
        })
    }

    /// The workspace that an observer looks at, and what it says may be followed.
    pub fn of(observer: &Observer<'_>) -> io::Result<Tree> {
        Tree::open(observer.root()).map(|tree| tree.following(observer.follow()))
    }

    /// The same, through these directories also out of the workspace, where they are symlinks.
    pub fn following(self, follow: &[RelPath]) -> Tree {
        Tree { follow: follow.to_vec(), ..self }
    }

    /// Opens a directory, and makes it and those above it when `make` says so.
    fn directory(&mut self, path: &RelPath, make: bool) -> io::Result<Arc<OwnedFd>> {
        if path.is_root() {
            return Ok(self.fd.clone());
        }
        if let Some(fd) = self.open.get(path) {
            return Ok(fd.clone());
        }
        let fd = match beneath(self.fd.as_fd(), path) {
            Err(Errno::NOENT) if make => {
                let parent = self.directory(&path.parent().unwrap_or_else(RelPath::root), make)?;
                match mkdirat(&parent, path.file_name(), Mode::from_raw_mode(0o777)) {
                    Ok(()) => {
                        self.made.push(path.clone());
                        beneath(self.fd.as_fd(), path)
                    }
                    Err(Errno::EXIST) => beneath(self.fd.as_fd(), path),
                    Err(e) => Err(e),
                }
            }
            answer => answer,
        };
        let fd = match fd {
            // What the kernel did not find below the workspace may be there all the same, behind a symlink.
            Err(e @ (Errno::XDEV | Errno::LOOP | Errno::NOTDIR | Errno::NOENT)) if make || e != Errno::NOENT => {
                self.detour(path, make, e)?
            }
            fd => Arc::new(fd.map_err(|e| self.explain(e, path))?),
        };
        if self.open.len() >= KEPT_OPEN {
            self.open.clear();
        }
        self.open.insert(path.clone(), fd.clone());
        Ok(fd)
    }

    /// Opens a directory behind a symlink, where the kernel said `error`.
    fn detour(&mut self, path: &RelPath, make: bool, error: Errno) -> io::Result<Arc<OwnedFd>> {
        match detour::find(&self.root, path, &self.follow) {
            // It cannot be missing again: no symlink is on the way to it.
            Some(Ok(Detour::Inside(inside))) if inside != *path => self.directory(&inside, make),
            Some(Ok(Detour::Outside(fd))) => Ok(Arc::new(fd)),
            Some(Err(e)) if e != Errno::NOENT => Err(self.explain(e, path)),
            Some(Err(Errno::NOENT)) if make => self.make_outside(path),
            _ => Err(self.explain(error, path)),
        }
    }

    /// Makes a directory below one that may be followed out of the workspace; that one itself has to be there.
    fn make_outside(&mut self, path: &RelPath) -> io::Result<Arc<OwnedFd>> {
        let Some(parent) = path.parent().filter(|_| !self.follow.contains(path)) else {
            return Err(links::leads_nowhere(&self.root, path));
        };
        let parent = self.directory(&parent, true)?;
        match mkdirat(&parent, path.file_name(), Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {
                Ok(Arc::new(openat(&parent, path.file_name(), DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?))
            }
            Err(e) => Err(self.explain(e, path)),
        }
    }

    fn explain(&self, error: Errno, path: &RelPath) -> io::Error {
        match error {
            Errno::XDEV | Errno::LOOP => links::leads_out(&self.root, path),
            Errno::NOTDIR => {
                // The first on the way that is none.
                let is_other = |path: &RelPath| path.to_path(&self.root).metadata().is_ok_and(|found| !found.is_dir());
                let above = std::iter::successors(Some(path.clone()), RelPath::parent).filter(is_other).last();
                let file = above.as_ref().unwrap_or(path);
                io::Error::new(io::ErrorKind::NotADirectory, format!("`{file}` is not a directory"))
            }
            _ => error.into(),
        }
    }

    fn parent(&mut self, path: &RelPath, make: bool) -> io::Result<Arc<OwnedFd>> {
        self.directory(&path.parent().unwrap_or_else(RelPath::root), make)
    }

    /// Makes a directory and those above it. One that is there already is fine.
    pub fn make_directory(&mut self, path: &RelPath) -> io::Result<()> {
        self.directory(path, true).map(|_| ())
    }

    /// Makes a directory and those above it, and takes these rights from it.
    pub fn make_directory_without(&mut self, path: &RelPath, withheld: u16) -> io::Result<()> {
        let directory = self.directory(path, true)?;
        if withheld != 0 {
            let mode = Mode::from_raw_mode(rustix::fs::fstat(&directory)?.st_mode);
            rustix::fs::fchmod(&directory, mode - Mode::from_raw_mode(withheld.into()))?;
        }
        Ok(())
    }

    /// The group that what is made in the directory of `path` has, if it is not that of who makes it.
    #[cfg(target_os = "linux")]
    fn group_at(&mut self, path: &RelPath, parent: &OwnedFd) -> Option<Gid> {
        let directory = path.parent().unwrap_or_else(RelPath::root);
        *self.groups.entry(directory).or_insert_with(|| {
            let stat = rustix::fs::fstat(parent).ok()?;
            (stat.st_mode & Mode::SGID.as_raw_mode() != 0).then(|| Gid::from_raw(stat.st_gid))
        })
    }

    /// Elsewhere, only the system knows.
    #[cfg(not(target_os = "linux"))]
    fn group_at(&mut self, _path: &RelPath, _parent: &OwnedFd) -> Option<Gid> {
        None
    }

    /// Returns the directories that were made since this was asked the last time.
    pub fn take_made(&mut self) -> Vec<RelPath> {
        std::mem::take(&mut self.made)
    }

    /// Removes a file or a symlink if it still has this stamp. Returns whether it did; a directory is left alone.
    pub fn remove_unchanged(&mut self, path: &RelPath, stamp: Option<Stamp>) -> io::Result<bool> {
        if stamp.is_none() || self.stamp(path)? != stamp {
            return Ok(false);
        }
        self.remove(path, AtFlags::empty())
    }

    /// Moves a file or a symlink out of the tree. Returns whether there was one; a directory is left alone.
    pub fn displace(&mut self, path: &RelPath, displaced: &Displaced) -> io::Result<bool> {
        let Some(stamp) = self.stamp(path)? else { return Ok(false) };
        if stamp.file_type() == FileType::Directory {
            return Ok(false);
        }
        let parent = self.parent(path, false)?;
        displaced.take_in(parent.as_fd(), path)?;
        self.forget(path);
        Ok(true)
    }

    /// The stamp of what is at a path; `None` when nothing is.
    fn stamp(&mut self, path: &RelPath) -> io::Result<Option<Stamp>> {
        let parent = match self.parent(path, false) {
            Ok(parent) => parent,
            Err(e) if is_absence(&e) => return Ok(None),
            Err(e) => return Err(e),
        };
        match statat(&parent, path.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stamp::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Removes a directory if there is one and it is empty.
    pub fn remove_directory(&mut self, path: &RelPath) -> io::Result<bool> {
        self.remove(path, AtFlags::REMOVEDIR)
    }

    /// What is at a path is another one now: a symlink that was there led elsewhere.
    fn forget(&mut self, path: &RelPath) {
        self.open.retain(|open, _| !open.starts_with(path));
        self.groups.retain(|directory, _| !directory.starts_with(path));
    }

    fn remove(&mut self, path: &RelPath, flags: AtFlags) -> io::Result<bool> {
        let parent = match self.parent(path, false) {
            Ok(parent) => parent,
            Err(e) if is_absence(&e) => return Ok(false),
            Err(e) => return Err(e),
        };
        match unlinkat(&parent, path.file_name(), flags) {
            Ok(()) => {
                self.forget(path);
                Ok(true)
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            // What unlink says of a directory on some systems.
            Err(Errno::PERM) if flags.is_empty() => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Moves a file from outside into its place: over what has the stamp `over` in one step, or where nothing is. Returns its stamp
    /// afterwards; `None` when something else is there, and nothing was done.
    pub fn move_in(&mut self, from: &Path, path: &RelPath, over: Option<Stamp>) -> io::Result<Option<Stamp>> {
        let parent = self.parent(path, true)?;
        if over.is_some() && self.stamp(path)? != over {
            return Ok(None);
        }
        let moved = match over {
            Some(_) => renameat(CWD, from, &parent, path.file_name()),
            None => rename_if_free(from, parent.as_fd(), path.file_name()),
        };
        match moved {
            Ok(()) => {}
            Err(Errno::XDEV) => match self.copy_in(from, &parent, path, over) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
                copied => copied?,
            },
            Err(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY) => return Ok(None),
            Err(e) => return Err(e.into()),
        }
        self.forget(path);
        if let Some(group) = self.group_at(path, &parent) {
            // Who is not in the group cannot give it away; the file is as good for its owner.
            let _ = rustix::fs::chownat(&parent, path.file_name(), None, Some(group), AtFlags::SYMLINK_NOFOLLOW);
        }
        let stat = statat(&parent, path.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Some(Stamp::of(&stat)))
    }

    /// Whether what is made in a directory gets something from it that what is made elsewhere and moved there does not have: a group, an access
    /// control list, flags of the file system. Where that cannot be told, it does.
    #[cfg(target_os = "linux")]
    pub fn hands_down(&mut self, directory: &RelPath) -> io::Result<bool> {
        use rustix::fs::{IFlags, fgetxattr, fstat, ioctl_getflags};
        // `EXT4_CASEFOLD_FL`, for which rustix has no name.
        const CASEFOLD: IFlags = IFlags::from_bits_retain(0x4000_0000);
        const INHERITED: IFlags = IFlags::COMPRESSED
            .union(IFlags::NOCOW)
            .union(IFlags::SYNC)
            .union(IFlags::DIRSYNC)
            .union(IFlags::JOURNALING)
            .union(IFlags::PROJECT_INHERIT)
            .union(CASEFOLD);
        let fd = self.directory(directory, false)?;
        let group = fstat(&fd)?.st_mode & Mode::SGID.as_raw_mode() != 0;
        let access = || fgetxattr(&fd, c"system.posix_acl_default", &mut [0u8; 0]).is_ok();
        let flags = || ioctl_getflags(&fd).is_ok_and(|flags| flags.intersects(INHERITED));
        Ok(group || access() || flags())
    }

    /// Elsewhere, nobody has looked into it.
    #[cfg(not(target_os = "linux"))]
    pub fn hands_down(&mut self, _directory: &RelPath) -> io::Result<bool> {
        Ok(true)
    }

    /// Moves a directory from outside into its place, if nothing is there and the file system can do that. Whether it did.
    pub fn move_directory_in(&mut self, from: &Path, path: &RelPath) -> io::Result<bool> {
        let parent = self.parent(path, true)?;
        // Not over an empty directory: another task may be about to move its files into it.
        match rename_noreplace(from, parent.as_fd(), path.file_name()) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR | Errno::XDEV | Errno::INVAL | Errno::NOSYS) => {
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// The store is on another file system: the last step is a rename beside the place.
    fn copy_in(&self, from: &Path, parent: &OwnedFd, path: &RelPath, over: Option<Stamp>) -> io::Result<()> {
        let name = temporary_name(path);
        let copied = Tree::copy_beside(from, parent, &name).and_then(|()| {
            match over {
                Some(_) => renameat(parent, &*name, parent, path.file_name())?,
                None => rename_if_free_at(parent.as_fd(), &name, path.file_name())?,
            }
            Ok(())
        });
        if copied.is_err() {
            let _ = unlinkat(parent, &*name, AtFlags::empty());
        }
        copied?;
        std::fs::remove_file(from)
    }

    fn copy_beside(from: &Path, parent: &OwnedFd, name: &[u8]) -> io::Result<()> {
        // One that a killed build left.
        match unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(e.into()),
        }
        let metadata = std::fs::symlink_metadata(from)?;
        if metadata.is_symlink() {
            rustix::fs::symlinkat(&std::fs::read_link(from)?, parent, name)?;
        } else {
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let to = openat(parent, name, flags, Mode::from_raw_mode(mode as rustix::fs::RawMode))?;
            let mut to = std::fs::File::from(to);
            io::copy(&mut std::fs::File::open(from)?, &mut to)?;
            to.set_modified(metadata.modified()?)?;
        }
        Ok(())
    }

    /// The root in the file system.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Whether the error is that a path leads out of the workspace.
pub fn leads_out(error: &io::Error) -> bool {
    // Without a number it comes from us, not from the system.
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

/// Beside `path`, the place of its content while it is copied from another file system.
pub fn temporary(path: &RelPath) -> Option<RelPath> {
    let name = temporary_name(path);
    let parent = path.parent().filter(|parent| !parent.is_root());
    RelPath::new(parent.map_or(name.clone(), |parent| [parent.as_bytes(), b"/", &name].concat())).ok()
}

/// Whether a path is such a place.
pub fn is_temporary(path: &RelPath) -> bool {
    let digits = path.file_name().strip_prefix(b".percache-");
    digits.is_some_and(|digits| digits.len() == 16 && digits.iter().all(u8::is_ascii_hexdigit))
}

fn temporary_name(path: &RelPath) -> Vec<u8> {
    let digest = percache::Digest::of(path.file_name()).to_string();
    [b".percache-", &digest.as_bytes()[..16]].concat()
}

#[cfg(test)]
mod tests;
