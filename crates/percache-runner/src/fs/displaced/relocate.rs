//! Moves a file or a symlink to a free name; to another file system, as a copy with the same times and permissions.
//!
//! Nothing is ever overwritten, and half a copy is never visible.

use std::fs::{self, File};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use percache::base::files::sync_dir;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, Uid, chownat, linkat, openat,
    readlinkat, renameat, renameat_with, statat, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::fs::stamp::Stamp;

/// Moves `name` in `parent` to `to`, which must be free. A copy is made at `waiting`, which is on the same file system
/// as `to`.
pub(super) fn relocate(parent: BorrowedFd<'_>, name: &[u8], to: &Path, waiting: &Path) -> io::Result<()> {
    match rename_if_free(parent, name, to) {
        Err(Errno::XDEV) => copy(parent, name, to, waiting),
        moved => Ok(moved?),
    }
}

#[cfg(target_os = "linux")]
fn rename_if_free(parent: BorrowedFd<'_>, name: &[u8], to: &Path) -> Result<(), Errno> {
    match renameat_with(parent, name, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that does not know the flag.
        Err(Errno::INVAL | Errno::NOSYS) => link_and_unlink(parent, name, to),
        moved => moved,
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_if_free(parent: BorrowedFd<'_>, name: &[u8], to: &Path) -> Result<(), Errno> {
    link_and_unlink(parent, name, to)
}

/// Moves by hard link and unlink, because a link never replaces anything. On file systems without hard links, checks
/// first and renames.
fn link_and_unlink(parent: BorrowedFd<'_>, name: &[u8], to: &Path) -> Result<(), Errno> {
    match linkat(parent, name, CWD, to, AtFlags::empty()) {
        Ok(()) => unlinkat(parent, name, AtFlags::empty()),
        Err(e @ (Errno::EXIST | Errno::XDEV | Errno::NOENT | Errno::NOTDIR)) => Err(e),
        Err(_) => match statat(CWD, to, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => renameat(parent, name, CWD, to),
            Err(e) => Err(e),
        },
    }
}

/// Copies the file, and removes the original once the copy is on disk.
fn copy(parent: BorrowedFd<'_>, name: &[u8], to: &Path, waiting: &Path) -> io::Result<()> {
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let made = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Symlink => make_copy(parent, name, &stat, waiting),
        // A pipe, a socket or a device has no content that could be lost.
        _ => return Ok(unlinkat(parent, name, AtFlags::empty())?),
    };
    let placed = made.and_then(|()| {
        // If a process has written to it meanwhile, it stays.
        if Stamp::of(&statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?) != Stamp::of(&stat) {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "somebody writes to it"));
        }
        Ok(rename_if_free(CWD, waiting.as_os_str().as_bytes(), to)?)
    });
    if let Err(e) = placed {
        // Removes half a copy; there may be none at all.
        let _ = fs::remove_file(waiting);
        return Err(e);
    }
    to.parent().map_or(Ok(()), sync_dir)?;
    match unlinkat(parent, name, AtFlags::empty()) {
        // Another process has moved it at the same time.
        Err(Errno::NOENT) => Ok(()),
        removed => Ok(removed?),
    }
}

/// Makes a copy at `to` with the permissions, the times and, if allowed, the owner.
fn make_copy(parent: BorrowedFd<'_>, name: &[u8], stat: &Stat, to: &Path) -> io::Result<()> {
    let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
    let written = match is_link {
        true => {
            let target = readlinkat(parent, name, Vec::new())?;
            symlink(std::ffi::OsStr::from_bytes(target.as_bytes()), to)?;
            None
        }
        false => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut from = File::from(openat(parent, name, flags, Mode::empty())?);
            let mut copy = File::options().write(true).create_new(true).mode(0o600).open(to)?;
            io::copy(&mut from, &mut copy)?;
            Some(copy)
        }
    };
    // Only root may give files away; for everybody else the owner is right already, and the group may be.
    let owner = (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    let _ = chownat(CWD, to, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW);
    if !is_link {
        fs::set_permissions(to, fs::Permissions::from_mode(stat.st_mode & 0o7777))?;
    }
    utimensat(CWD, to, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?;
    written.map_or(Ok(()), |file| file.sync_all())
}

fn times(stat: &Stat) -> Timestamps {
    // The field types differ between systems.
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    Timestamps {
        last_access: time(stat.st_atime as _, stat.st_atime_nsec as _),
        last_modification: time(stat.st_mtime as _, stat.st_mtime_nsec as _),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn without_help_of_the_system_nothing_is_written_over_either() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let root = openat(CWD, dir.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        fs::write(at("a"), "a").unwrap();
        fs::write(at("b"), "b").unwrap();
        symlink("nowhere", at("link")).unwrap();
        assert_eq!(link_and_unlink(root.as_fd(), b"a", &at("b")), Err(Errno::EXIST));
        assert_eq!(link_and_unlink(root.as_fd(), b"a", &at("link")), Err(Errno::EXIST));
        assert_eq!(link_and_unlink(root.as_fd(), b"none", &at("c")), Err(Errno::NOENT));
        link_and_unlink(root.as_fd(), b"a", &at("c")).unwrap();
        link_and_unlink(root.as_fd(), b"link", &at("moved")).unwrap();
        assert_eq!(
            (fs::read_to_string(at("b")).unwrap(), fs::read_to_string(at("c")).unwrap()),
            ("b".into(), "a".into())
        );
        assert_eq!(fs::read_link(at("moved")).unwrap(), Path::new("nowhere"));
        assert!(!at("a").exists() && !at("link").is_symlink());
    }

    #[test]
    fn a_copy_has_the_content_the_time_and_the_rights_and_the_original_is_gone() {
        let (tree, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (from, to) = (|name: &str| tree.path().join(name), |name: &str| store.path().join(name));
        fs::write(from("file"), "x").unwrap();
        symlink("nowhere", from("link")).unwrap();
        fs::set_permissions(from("file"), fs::Permissions::from_mode(0o640)).unwrap();
        let state = |path: &Path| {
            let stat = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).unwrap();
            (stat.st_mode, stat.st_mtime, stat.st_mtime_nsec)
        };
        let root = openat(CWD, tree.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        for name in ["file", "link"] {
            let before = state(&from(name));
            std::thread::sleep(std::time::Duration::from_millis(3));
            copy(root.as_fd(), name.as_bytes(), &to(name), &to("waiting")).unwrap();
            assert_eq!(state(&to(name)), before, "{name}");
        }
        assert_eq!(fs::read_dir(tree.path()).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(to("file")).unwrap(), "x");
        assert_eq!(fs::read_link(to("link")).unwrap(), Path::new("nowhere"));
        // The existing file is not overwritten, and nothing is left of the attempt.
        fs::write(from("file"), "y").unwrap();
        assert!(copy(root.as_fd(), b"file", &to("file"), &to("waiting")).is_err());
        assert_eq!(
            (fs::read_to_string(to("file")).unwrap(), fs::read_to_string(from("file")).unwrap()),
            ("x".into(), "y".into())
        );
        assert!(!to("waiting").exists());
    }
}
