//! Tells which paths are unchanged: by their stamps, and where those differ, by the content of files.
//!
//! Threads take chunks of the work as they become free: one may start milliseconds after another.

use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};

use percache::Digest;
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use crate::fs::hash_file;
use crate::fs::stamp::Stamp;
use crate::fs::stat_table::{KnownFiles, Seen};

/// The number of paths that justify another thread.
const WORTH_A_THREAD: usize = 500;
/// The number of paths that a thread takes at a time.
const PART: usize = 100;
/// The number of files that justify another thread to read them, and that a thread takes at a time.
const FILES: usize = 32;

/// A regular file whose stamp does not prove that it is unchanged, but which may be.
#[derive(Clone, Copy, Debug)]
pub struct Doubtful {
    /// Its position in the table.
    pub position: usize,
    /// Its stamp now.
    pub stamp: Stamp,
    /// The digest that it had.
    digest: Digest,
}

/// Tells for each path whether its stamp is unchanged. Also returns the files whose content may be the same
/// nevertheless. The calling thread runs `first` before it joins in.
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

/// Runs the same work on `count` threads, including this one, which runs `first` before.
fn on_threads(count: usize, first: impl FnOnce(), work: &(impl Fn() + Sync)) {
    std::thread::scope(|scope| {
        for _ in 1..count {
            scope.spawn(work);
        }
        first();
        work();
    });
}

/// Notes which of the paths from `start` on have the same stamp as before.
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

/// Returns whether a file whose stamp changed from `before` to `now` may be the same to a task.
fn may_be_the_same(before: &Stamp, now: &Stamp) -> bool {
    let is_file = |stamp: &Stamp| stamp.file_type() == FileType::RegularFile;
    is_file(before) && is_file(now) && before.size == now.size && before.executable() == now.executable()
}

/// Reads these files. Returns for each what is known of it from now on, in order of position, and whether its content
/// is the same as before. None of the files was looked at before the moment `began`.
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

/// Reads and hashes one file. Returns `None` if it cannot be read, or if its length is not what its stamp says: then it
/// is being changed.
fn look(root: BorrowedFd<'_>, files: &KnownFiles, file: &Doubtful, began: i64) -> Option<(usize, Seen, bool)> {
    let mut open = hash_file::open(root, files.c_path(file.position)).ok()?;
    let (digest, length) = hash_file::digest(&mut open, file.stamp.size).ok()?;
    // The stamp was taken before the read: a write in the meantime changes it, if it was settled.
    let seen = Seen { stamp: Some(file.stamp), digest: Some(digest), settled: file.stamp.settled_at(began) };
    (length == file.stamp.size).then_some((file.position, seen, digest == file.digest))
}
