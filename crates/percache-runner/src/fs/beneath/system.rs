//! What is asked of the kernel: to open beneath a directory and nowhere else, and to rename where nothing is.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, renameat, statat};
use rustix::io::Errno;

use crate::model::path::RelPath;

use super::DIRECTORY;

/// Moves a file to where nothing is.
pub(super) fn rename_if_free(from: &Path, parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match rename_noreplace(from, parent, name) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            look_for_room(parent, name)?;
            renameat(CWD, from, parent, name)
        }
        moved => moved,
    }
}

/// The same within one directory.
pub(super) fn rename_if_free_at(parent: BorrowedFd<'_>, from: &[u8], name: &[u8]) -> Result<(), Errno> {
    look_for_room(parent, name)?;
    renameat(parent, from, parent, name)
}

fn look_for_room(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(target_os = "linux")]
pub(super) fn rename_noreplace(from: &Path, parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    use rustix::fs::{RenameFlags, renameat_with};
    renameat_with(CWD, from, parent, name, RenameFlags::NOREPLACE)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn rename_noreplace(_from: &Path, _parent: BorrowedFd<'_>, _name: &[u8]) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

#[cfg(target_os = "linux")]
pub(super) fn beneath(root: BorrowedFd<'_>, path: &RelPath) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, path.as_bytes(), DIRECTORY, Mode::empty(), resolve) {
        // Kernels before 5.6, and sandboxes that do not know the call.
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(root, path),
        answer => answer,
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn beneath(root: BorrowedFd<'_>, path: &RelPath) -> Result<OwnedFd, Errno> {
    step_by_step(root, path)
}

fn step_by_step(root: BorrowedFd<'_>, path: &RelPath) -> Result<OwnedFd, Errno> {
    let mut fd = rustix::io::dup(root)?;
    for name in path.components() {
        fd = openat(&fd, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(fd)
}
