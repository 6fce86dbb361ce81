//! Tells files that a command appended to from files that it wrote anew.
//!
//! A file below an output pattern may exist before the run: it is somebody's own, or left by a build that nothing is
//! known about any more. If the command overwrites it, the file is an output. If the command appends to it (`>> log`),
//! the file keeps its old text, which no clean tree has, and the result must not be stored. Appending leaves the first
//! and the last bytes of the old content where they were.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use percache::Digest;
use rustix::fs::CWD;

use crate::fs::hash_file;
use crate::fs::stamp::Stamp;

/// The number of bytes compared at each end.
const WINDOW: u64 = 4096;

/// The beginning and the end of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    inode: u64,
    size: u64,
    first: Digest,
    last: Digest,
}

impl Ends {
    /// Reads both ends of the file at `path`. Returns `None` if it is empty, is not a regular file, or cannot be read.
    pub fn read(path: &Path) -> Option<Ends> {
        let stamp = Stamp::at(path).ok()??;
        let file = hash_file::open(CWD, path).ok()?;
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        if !is_file || stamp.size == 0 { None } else { Ends::at_size(&file, stamp.inode, stamp.size).ok() }
    }

    /// Returns whether the file at `path` is still this file, and was appended to.
    pub fn were_added_to(&self, path: &Path) -> bool {
        let now = || {
            let stamp = Stamp::at(path).ok()??;
            let longer = stamp.inode == self.inode && stamp.size > self.size;
            let file = if longer { hash_file::open(CWD, path).ok()? } else { return None };
            Ends::at_size(&file, stamp.inode, self.size).ok()
        };
        now().is_some_and(|now| now == *self)
    }

    fn at_size(file: &File, inode: u64, size: u64) -> io::Result<Ends> {
        let window = |from: u64| {
            let mut bytes = vec![0; WINDOW.min(size) as usize];
            file.read_exact_at(&mut bytes, from)?;
            Ok::<_, io::Error>(Digest::of(&bytes))
        };
        Ok(Ends { inode, size, first: window(0)?, last: window(size.saturating_sub(WINDOW))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn after(before: &[u8], change: impl FnOnce(&Path)) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, before).unwrap();
        let ends = Ends::read(&path);
        change(&path);
        ends.is_some_and(|ends| ends.were_added_to(&path))
    }

    fn append(path: &Path, bytes: &[u8]) {
        fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    #[test]
    fn what_keeps_both_its_ends_and_grows_was_added_to() {
        let long: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        assert!(after(b"x", |path| append(path, b"y")));
        assert!(after(&long, |path| append(path, b"y")));
    }

    #[test]
    fn what_is_written_anew_was_not() {
        let long: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        assert!(!after(b"x", |path| fs::write(path, "yz").unwrap()));
        assert!(!after(b"x", |path| fs::write(path, "x").unwrap()));
        assert!(!after(b"", |path| append(path, b"y")), "nothing of it is kept");
        let other_end: Vec<u8> = long[..long.len() - 1].iter().copied().chain(*b"yz").collect();
        assert!(!after(&long, |path| fs::write(path, other_end).unwrap()));
        let renamed = |path: &Path| {
            fs::write(path.with_extension("new"), "xy").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        };
        assert!(!after(b"x", renamed), "another file");
        assert!(!after(b"x", |path| fs::remove_file(path).unwrap()));
    }
}
