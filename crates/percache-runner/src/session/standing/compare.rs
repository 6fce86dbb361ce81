//! Which paths are as they were: told from their stamps, and where those differ, from what is in the files.
//!
//! Threads take parts of the work as they come to it: one may begin milliseconds after another.

use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};

use percache::Digest;
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use crate::fs::hash_file;
use crate::fs::stamp::Stamp;
use crate::fs::stat_table::{KnownFiles, Seen};

/// Paths that are worth a thread.
const WORTH_A_THREAD: usize = 500;
/// Paths that a thread takes at a time.
const PART: usize = 100;
/// Files that are worth a thread to read them, and that a thread takes at a time.
const FILES: usize = 32;

/// A regular file whose stamp does not show what is in it, and which may be what it was.
#[derive(Clone, Copy, Debug)]
pub struct Doubtful {
    /// Where it is in the table.
    pub position: usize,
    /// Its stamp now.
    pub stamp: Stamp,
    /// The digest that it had.
    digest: Digest,
}

/// Of each path whether it has the stamp that it had, and files that may have the same content nevertheless. The calling thread does
/// something else `first`.
pub fn by_stamp(
    root: BorrowedFd<'_>,
    files: &KnownFiles,
    threads: usize,
    first: impl FnOnce(),
) -> (Vec<bool>, Vec<Doubtful>) {
    let mut same = vec![false; files.len()];
    let doubtful = Mutex::new(Vec::new());
    let parts = Mutex::new(same.chunks_mut(PART).enumerate());
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut found = Vec::new();
        while let Some((number, part)) = next() {
            compare(root, files, number * PART, part, &mut found);
        }
        doubtful.lock().unwrap_or_else(PoisonError::into_inner).append(&mut found);
    };
    on_threads(threads.min(files.len() / WORTH_A_THREAD + 1), first, &work);
    (same, doubtful.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Does the same work on so many threads, this one included, which does something else `first`.
fn on_threads(count: usize, first: impl FnOnce(), work: &(impl Fn() + Sync)) {
    std::thread::scope(|scope| {
        for _ in 1..count {
            scope.spawn(work);
        }
        first();
        work();
    });
}

/// Notes which of the paths from `start` on have the stamps that they had.
fn compare(root: BorrowedFd<'_>, files: &KnownFiles, start: usize, same: &mut [bool], doubtful: &mut Vec<Doubtful>) {
    for (position, same) in (start..).zip(same) {
        let seen = files.seen(position);
        if !seen.settled && seen.digest.is_none() {
            continue;
        }
        let path = files.c_path(position);
        // An absolute path makes the call ignore the directory.
        let now = match statat(root, if path.is_empty() { c"." } else { path }, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(Stamp::of(&stat)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => None,
            Err(_) => continue,
        };
        *same = seen.settled && now == seen.stamp;
        if *same {
            continue;
        }
        if let (Some(before), Some(stamp), Some(digest)) = (seen.stamp, now, seen.digest)
            && may_be_the_same(&before, &stamp)
        {
            doubtful.push(Doubtful { position, stamp, digest });
        }
    }
}

/// Whether what had the one stamp and has the other may be the same to a task.
fn may_be_the_same(before: &Stamp, now: &Stamp) -> bool {
    let is_file = |stamp: &Stamp| stamp.file_type() == FileType::RegularFile;
    is_file(before) && is_file(now) && before.size == now.size && before.executable() == now.executable()
}

/// Reads these files. Gives of each what is to be known from now on, in order of their positions, and whether that is what it was.
/// Nothing of them was looked at before the moment `began`.
pub fn by_content(
    root: BorrowedFd<'_>,
    files: &KnownFiles,
    mut doubtful: Vec<Doubtful>,
    began: i64,
    threads: usize,
) -> Vec<(usize, Seen, bool)> {
    doubtful.sort_unstable_by_key(|file| file.position);
    let read = Mutex::new(Vec::with_capacity(doubtful.len()));
    let parts = Mutex::new(doubtful.chunks(FILES));
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(part) = next() {
            let found: Vec<_> = part.iter().filter_map(|file| look(root, files, file, began)).collect();
            read.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        }
    };
    on_threads(threads.min(doubtful.len() / FILES + 1), || {}, &work);
    let mut read = read.into_inner().unwrap_or_else(PoisonError::into_inner);
    read.sort_unstable_by_key(|(position, _, _)| *position);
    read
}

/// `None` when it cannot be read, or has another length than its stamp says: then it is changing.
fn look(root: BorrowedFd<'_>, files: &KnownFiles, file: &Doubtful, began: i64) -> Option<(usize, Seen, bool)> {
    let mut open = hash_file::open(root, files.c_path(file.position)).ok()?;
    let (digest, length) = hash_file::digest(&mut open, file.stamp.size).ok()?;
    // Its stamp was taken before: whoever writes to it meanwhile gives it another one, if this one was settled.
    let seen = Seen { stamp: Some(file.stamp), digest: Some(digest), settled: file.stamp.settled_at(began) };
    (length == file.stamp.size).then_some((file.position, seen, digest == file.digest))
}
