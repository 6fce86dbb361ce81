//! Writing into the workspace without ever leaving it.
//!
//! A path of an output may lead through a symlink that somebody planted, before or while it is restored. So the directory is opened
//! first, in a way in which the kernel refuses to leave the workspace (`openat2` with RESOLVE_BENEATH; elsewhere step by step without
//! following symlinks), and everything else happens relative to the open directory.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::paths::RelPath;
use crate::stamp::Stamp;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A workspace to write into. Keeps directories open that it has come through.
pub struct Tree {
    root: PathBuf,
    fd: Arc<OwnedFd>,
    open: HashMap<RelPath, Arc<OwnedFd>>,
    /// Of directories, the group that they hand down to what is made in them, if they do.
    groups: HashMap<RelPath, Option<Gid>>,
}

/// How many directories are kept open.
const KEPT_OPEN: usize = 128;

impl Tree {
    /// The workspace at `root`.
    pub fn open(root: &Path) -> io::Result<Tree> {
        let fd = openat(CWD, root, DIRECTORY, Mode::empty())?;
        Ok(Tree { root: root.to_owned(), fd: Arc::new(fd), open: HashMap::new(), groups: HashMap::new() })
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
                    Ok(()) | Err(Errno::EXIST) => beneath(self.fd.as_fd(), path),
                    Err(e) => Err(e),
                }
            }
            answer => answer,
        };
        let fd = Arc::new(fd.map_err(|e| self.explain(e, path))?);
        if self.open.len() >= KEPT_OPEN {
            self.open.clear();
        }
        self.open.insert(path.clone(), fd.clone());
        Ok(fd)
    }

    fn explain(&self, error: Errno, path: &RelPath) -> io::Error {
        match error {
            Errno::XDEV | Errno::LOOP => {
                io::Error::new(io::ErrorKind::PermissionDenied, format!("`{path}` leads out of the workspace"))
            }
            Errno::NOTDIR => io::Error::new(io::ErrorKind::NotADirectory, format!("`{path}` is not a directory")),
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

    /// Removes a file or a symlink; whether there was one. A directory is left alone.
    pub fn remove_file(&mut self, path: &RelPath) -> io::Result<bool> {
        self.remove(path, AtFlags::empty())
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
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(false),
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

    /// Moves a file from outside into its place, which it takes from a file or symlink in one step. Its stamp afterwards.
    pub fn move_in(&mut self, from: &Path, path: &RelPath) -> io::Result<Stamp> {
        let parent = self.parent(path, true)?;
        match renameat(CWD, from, &parent, path.file_name()) {
            Ok(()) => {}
            Err(Errno::XDEV) => self.copy_in(from, &parent, path)?,
            Err(Errno::ISDIR) => {
                return Err(io::Error::new(
                    io::ErrorKind::IsADirectory,
                    format!("`{path}` is a directory that holds files that percache did not make"),
                ));
            }
            Err(e) => return Err(e.into()),
        }
        self.forget(path);
        if let Some(group) = self.group_at(path, &parent) {
            // Who is not in the group cannot give it away; the file is as good for its owner.
            let _ = rustix::fs::chownat(&parent, path.file_name(), None, Some(group), AtFlags::SYMLINK_NOFOLLOW);
        }
        let stat = rustix::fs::statat(&parent, path.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Stamp::of(&stat))
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
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{RenameFlags, renameat_with};
            // Without the flag it would replace an empty directory, into which another task may be about to move its files.
            match renameat_with(CWD, from, &parent, path.file_name(), RenameFlags::NOREPLACE) {
                Ok(()) => Ok(true),
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR | Errno::XDEV | Errno::INVAL | Errno::NOSYS) => {
                    Ok(false)
                }
                Err(e) => Err(e.into()),
            }
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = (from, parent);
            Ok(false)
        }
    }

    /// The store is on another file system: the last step is a rename beside the place.
    fn copy_in(&self, from: &Path, parent: &OwnedFd, path: &RelPath) -> io::Result<()> {
        let name = temporary_name(path);
        let copied = Tree::copy_beside(from, parent, &name).and_then(|()| {
            renameat(parent, &*name, parent, path.file_name())?;
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
            io::copy(&mut std::fs::File::open(from)?, &mut std::fs::File::from(to))?;
        }
        Ok(())
    }

    /// The root in the file system.
    pub fn root(&self) -> &Path {
        &self.root
    }
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

#[cfg(target_os = "linux")]
fn beneath(root: BorrowedFd<'_>, path: &RelPath) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, path.as_bytes(), DIRECTORY, Mode::empty(), resolve) {
        // Kernels before 5.6, and sandboxes that do not know the call.
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(root, path),
        answer => answer,
    }
}

#[cfg(not(target_os = "linux"))]
fn beneath(root: BorrowedFd<'_>, path: &RelPath) -> Result<OwnedFd, Errno> {
    step_by_step(root, path)
}

fn step_by_step(root: BorrowedFd<'_>, path: &RelPath) -> Result<OwnedFd, Errno> {
    let mut fd = rustix::io::dup(root)?;
    for name in path.components() {
        fd = openat(&fd, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn a_symlinked_directory_is_followed_inside_and_never_out() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = dir.path();
        fs::create_dir(root.join("real")).unwrap();
        symlink("real", root.join("inside")).unwrap();
        symlink(outside.path(), root.join("out")).unwrap();
        symlink("../..", root.join("real/up")).unwrap();
        fs::write(outside.path().join("theirs"), "x").unwrap();
        fs::write(root.join("staged"), "x").unwrap();
        let mut tree = Tree::open(root).unwrap();
        for leads_out in ["out/file", "real/up/file", "out/deep/file"] {
            let error = tree.move_in(&root.join("staged"), &path(leads_out)).unwrap_err();
            assert!(error.to_string().contains("leads out of the workspace"), "{error}");
        }
        assert!(tree.remove_file(&path("out/theirs")).is_err());
        tree.move_in(&root.join("staged"), &path("inside/file")).unwrap();
        assert_eq!(fs::read(root.join("real/file")).unwrap(), b"x");
        assert!(outside.path().join("theirs").exists());
    }

    #[test]
    fn directories_are_made_on_the_way_and_removed_only_when_empty() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::write(root.join("staged"), "x").unwrap();
        let mut tree = Tree::open(root).unwrap();
        tree.move_in(&root.join("staged"), &path("a/b/c")).unwrap();
        assert!(!tree.remove_directory(&path("a")).unwrap());
        assert!(!tree.remove_file(&path("a/b")).unwrap());
        assert!(!tree.remove_file(&path("a/b/none/file")).unwrap());
        assert!(tree.remove_file(&path("a/b/c")).unwrap());
        assert!(tree.remove_directory(&path("a/b")).unwrap());
        assert!(tree.remove_directory(&path("a")).unwrap());
    }

    #[test]
    fn a_symlink_is_replaced_and_not_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::write(root.join("target"), "theirs").unwrap();
        symlink("target", root.join("out")).unwrap();
        fs::write(root.join("staged"), "ours").unwrap();
        Tree::open(root).unwrap().move_in(&root.join("staged"), &path("out")).unwrap();
        assert_eq!(fs::read(root.join("target")).unwrap(), b"theirs");
        assert_eq!(fs::read(root.join("out")).unwrap(), b"ours");
    }

    #[test]
    fn what_is_below_a_symlink_goes_where_it_leads_now() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let mut tree = Tree::open(root).unwrap();
        let mut put = |name: &str, to: &str| {
            fs::write(root.join("staged"), name).unwrap();
            tree.move_in(&root.join("staged"), &path(to)).unwrap();
        };
        put("v1", "v1/file");
        put("v2", "v2/file");
        symlink("v1", root.join("current")).unwrap();
        put("a", "current/a");
        symlink("v2", root.join("next")).unwrap();
        tree.move_in(&root.join("next"), &path("current")).unwrap();
        fs::write(root.join("staged"), "b").unwrap();
        tree.move_in(&root.join("staged"), &path("current/b")).unwrap();
        assert!(root.join("v1/a").exists() && root.join("v2/b").exists() && !root.join("v1/b").exists());
        assert!(tree.remove_file(&path("current")).unwrap());
        fs::write(root.join("staged"), "c").unwrap();
        tree.move_in(&root.join("staged"), &path("current/c")).unwrap();
        assert!(!root.join("current").is_symlink() && root.join("current/c").exists());
    }
}
