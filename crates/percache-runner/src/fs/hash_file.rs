//! The digest of a file of which its stamp is known, with as few calls of the system as may be.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use percache::Digest;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::path::Arg;

/// Files below this size are read in one piece.
const SMALL: usize = 128 << 10;

thread_local! {
    // Made once: new memory for every file would cost as much as hashing a small one.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SMALL]);
}

/// Opens the file at `path`, as seen from `dir`, to read it. No symlink is followed, and the time of the last access stays, where the
/// system allows that: to write it down takes longer than to read a small file.
pub fn open(dir: BorrowedFd<'_>, path: impl Arg + Copy) -> io::Result<File> {
    // Not to hang where a pipe has taken the place of the file meanwhile.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let quiet = no_access_time();
    match openat(dir, path, flags | quiet, Mode::empty()) {
        // The file is somebody else's: so are probably all others.
        Err(Errno::PERM) if !quiet.is_empty() => {
            FOREIGN.store(true, Ordering::Relaxed);
            Ok(openat(dir, path, flags, Mode::empty())?.into())
        }
        file => Ok(file?.into()),
    }
}

/// Whether a file was somebody else's.
static FOREIGN: AtomicBool = AtomicBool::new(false);

#[cfg(target_os = "linux")]
fn no_access_time() -> OFlags {
    if FOREIGN.load(Ordering::Relaxed) { OFlags::empty() } else { OFlags::NOATIME }
}

#[cfg(not(target_os = "linux"))]
fn no_access_time() -> OFlags {
    OFlags::empty()
}

/// The digest of a file that is said to have `size` bytes, and how many it has.
pub fn digest(file: &mut File, size: u64) -> io::Result<(Digest, u64)> {
    if size >= SMALL as u64 {
        return Digest::of_reader(file);
    }
    BUFFER.with_borrow_mut(|buffer| digest_of_small(file, size, buffer))
}

fn digest_of_small(file: &mut File, size: u64, buffer: &mut [u8]) -> io::Result<(Digest, u64)> {
    let mut length = 0;
    // One call for most source files: the buffer is longer than the file, so whoever gets its size has got all of it.
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        }
        if length as u64 == size {
            break;
        }
    }
    if length < buffer.len() {
        return Ok((Digest::of(&buffer[..length]), length as u64));
    }
    // It has grown since.
    let mut both = buffer.chain(file);
    Digest::of_reader(&mut both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_digest_is_that_of_the_whole_file_whatever_size_it_is_said_to_have() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for length in [0, 1, SMALL - 1, SMALL, SMALL + 1, 3 * SMALL] {
            let content = vec![7; length];
            fs::write(&path, &content).unwrap();
            for said in [0, 1, length as u64, SMALL as u64 - 1, SMALL as u64] {
                // Cut short, it may be taken for whole where it is longer than it is said to be.
                if said != 0 && said < length as u64 && said < SMALL as u64 {
                    continue;
                }
                let mut file = open(rustix::fs::CWD, &path).unwrap();
                assert_eq!(digest(&mut file, said).unwrap(), (Digest::of(&content), length as u64), "{length} {said}");
            }
        }
    }

    #[test]
    fn neither_a_symlink_nor_a_pipe_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let (link, pipe) = (dir.path().join("link"), dir.path().join("pipe"));
        fs::write(dir.path().join("file"), "x").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        assert!(open(rustix::fs::CWD, &link).is_err());
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(digest(&mut open(rustix::fs::CWD, &pipe).unwrap(), 3).unwrap().1, 0);
    }
}
