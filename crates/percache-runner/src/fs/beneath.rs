//! Writes into the workspace without ever leaving it.
//!
//! The path of an output may lead through a symlink that somebody planted, before or during the restore. So the
//! directory is opened first, in a way in which the kernel refuses to leave the workspace (`openat2` with
//! RESOLVE_BENEATH; elsewhere step by step without following symlinks), and everything else happens relative to the
//! open directory.
//!
//! Does not decide what may be removed or replaced: only [`crate::fs::clearing`] does.

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

/// A workspace to write into. Keeps the directories open that it has passed through.
pub struct Tree {
    root: PathBuf,
    fd: Arc<OwnedFd>,
    open: HashMap<RelPath, Arc<OwnedFd>>,
    /// Directories that were made.
    made: Vec<RelPath>,
    /// Directories whose symlinks may lead out of the workspace.
    follow: Vec<RelPath>,
    /// The group that each directory hands down to what is made in it, if it does.
    groups: HashMap<RelPath, Option<Gid>>,
}

/// The number of directories that are kept open.
const KEPT_OPEN: usize = 128;

impl Tree {
    /// Opens the workspace at `root`.
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

    /// Opens the workspace of an observer, with the directories that it allows to be followed.
    pub fn of(observer: &Observer<'_>) -> io::Result<Tree> {
        Tree::open(observer.root()).map(|tree| tree.following(observer.follow()))
    }

    /// Allows these directories, where they are symlinks, to lead out of the workspace.
    pub fn following(self, follow: &[RelPath]) -> Tree {
        Tree { follow: follow.to_vec(), ..self }
    }

    /// Opens a directory. If `make` is set, makes it and its ancestors first.
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
            // A directory that the kernel did not find beneath the workspace may still exist, behind a symlink.
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

    /// Opens a directory behind a symlink, after the kernel answered `error`.
    fn detour(&mut self, path: &RelPath, make: bool, error: Errno) -> io::Result<Arc<OwnedFd>> {
        match detour::find(&self.root, path, &self.follow) {
            // The recursion ends here: no symlink is on the way to the real path.
            Some(Ok(Detour::Inside(inside))) if inside != *path => self.directory(&inside, make),
            Some(Ok(Detour::Outside(fd))) => Ok(Arc::new(fd)),
            Some(Err(e)) if e != Errno::NOENT => Err(self.explain(e, path)),
            Some(Err(Errno::NOENT)) if make => self.make_outside(path),
            _ => Err(self.explain(error, path)),
        }
    }

    /// Makes a directory below one that may lead out of the workspace; that one itself must exist.
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
                // The first component that is not a directory.
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

    /// Makes a directory and its ancestors. It is no error if the directory exists.
    pub fn make_directory(&mut self, path: &RelPath) -> io::Result<()> {
        self.directory(path, true).map(|_| ())
    }

    /// Makes a directory and its ancestors, and removes the permissions `withheld` from it.
    pub fn make_directory_without(&mut self, path: &RelPath, withheld: u16) -> io::Result<()> {
        let directory = self.directory(path, true)?;
        if withheld != 0 {
            let mode = Mode::from_raw_mode(rustix::fs::fstat(&directory)?.st_mode);
            rustix::fs::fchmod(&directory, mode - Mode::from_raw_mode(withheld.into()))?;
        }
        Ok(())
    }

    /// Returns the group that the directory of `path` hands down to its entries (setgid), if it does.
    #[cfg(target_os = "linux")]
    fn group_at(&mut self, path: &RelPath, parent: &OwnedFd) -> Option<Gid> {
        let directory = path.parent().unwrap_or_else(RelPath::root);
        *self.groups.entry(directory).or_insert_with(|| {
            let stat = rustix::fs::fstat(parent).ok()?;
            (stat.st_mode & Mode::SGID.as_raw_mode() != 0).then(|| Gid::from_raw(stat.st_gid))
        })
    }

    /// On other systems, only the kernel knows.
    #[cfg(not(target_os = "linux"))]
    fn group_at(&mut self, _path: &RelPath, _parent: &OwnedFd) -> Option<Gid> {
        None
    }

    /// Returns the directories that were made since the last call.
    pub fn take_made(&mut self) -> Vec<RelPath> {
        std::mem::take(&mut self.made)
    }

    /// Removes a file or a symlink if it still has this stamp. Returns whether it was removed; directories are left
    /// alone.
    pub fn remove_unchanged(&mut self, path: &RelPath, stamp: Option<Stamp>) -> io::Result<bool> {
        if stamp.is_none() || self.stamp(path)? != stamp {
            return Ok(false);
        }
        self.remove(path, AtFlags::empty())
    }

    /// Moves a file or a symlink out of the tree. Returns whether there was one; directories are left alone.
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

    /// Returns the stamp of a path; `None` if nothing is there.
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

    /// Removes a directory if it exists and is empty. Returns whether it was removed.
    pub fn remove_directory(&mut self, path: &RelPath) -> io::Result<bool> {
        self.remove(path, AtFlags::REMOVEDIR)
    }

    /// Forgets everything at and below a path that was replaced: a symlink there led elsewhere.
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
            // The answer of unlink for a directory on some systems.
            Err(Errno::PERM) if flags.is_empty() => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Moves a file from outside into its place: over a file with the stamp `over` in one step, or to where nothing is.
    /// Returns the new stamp; `None` if something else is there, and nothing was done.
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
            // Only a member of the group can set it; without it, the file is just as good for its owner.
            let _ = rustix::fs::chownat(&parent, path.file_name(), None, Some(group), AtFlags::SYMLINK_NOFOLLOW);
        }
        let stat = statat(&parent, path.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Some(Stamp::of(&stat)))
    }

    /// Returns whether a directory hands something down to entries made in it that entries moved into it lack: a group,
    /// an access control list, file system flags. If this cannot be told, returns true.
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

    /// On other systems, this has not been investigated.
    #[cfg(not(target_os = "linux"))]
    pub fn hands_down(&mut self, _directory: &RelPath) -> io::Result<bool> {
        Ok(true)
    }

    /// Moves a directory from outside into its place, if nothing is there and the file system supports it. Returns
    /// whether it was moved.
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

    /// Copies a file in from another file system; the last step is a rename within the target directory.
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
        // A killed build may have left one.
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

    /// Returns the root's path in the file system.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Returns the temporary path beside `path` for content that is copied from another file system.
pub fn temporary(path: &RelPath) -> Option<RelPath> {
    let name = temporary_name(path);
    let parent = path.parent().filter(|parent| !parent.is_root());
    RelPath::new(parent.map_or(name.clone(), |parent| [parent.as_bytes(), b"/", &name].concat())).ok()
}

/// Returns whether a path is such a temporary path.
pub fn is_temporary(path: &RelPath) -> bool {
    let digits = path.file_name().strip_prefix(b".percache-");
    digits.is_some_and(|digits| digits.len() == 16 && digits.iter().all(u8::is_ascii_hexdigit))
}

fn temporary_name(path: &RelPath) -> Vec<u8> {
    let digest = percache::Digest::of(path.file_name()).to_string();
    [b".percache-", &digest.as_bytes()[..16]].concat()
}

/// Returns a name for something on its way to `path` that nobody else uses.
pub fn new_temporary_name(path: &RelPath) -> Vec<u8> {
    use std::hash::{BuildHasher, RandomState};
    format!(".percache-{:016x}", RandomState::new().hash_one(path)).into_bytes()
}

#[cfg(test)]
mod tests;
