//! Tells a file that a command has added to from one that it has written anew.
//!
//! A file below an output pattern may be there before the run: somebody's own, or left by a build of which nothing is known any more. What
//! the command writes over is gone, and the file is an output. What it adds to (`>> log`) keeps the old text, which no clean tree has: then
//! the result must not be stored. Whoever adds, leaves what was at the beginning and at the end of the file where it was.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use percache::Digest;
use rustix::fs::CWD;

use crate::fs::hash_file;
use crate::fs::stamp::Stamp;

/// So many bytes are compared at either end.
const WINDOW: u64 = 4096;

/// How a file began and ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    inode: u64,
    size: u64,
    first: Digest,
    last: Digest,
}

impl Ends {
    /// Reads the ends of the file at `path`; `None` if there is nothing to tell: it is empty, no file, or cannot be read.
    pub fn read(path: &Path) -> Option<Ends> {
        let stamp = Stamp::at(path).ok()??;
        let file = hash_file::open(CWD, path).ok()?;
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        if !is_file || stamp.size == 0 { None } else { Ends::at_size(&file, stamp.inode, stamp.size).ok() }
    }

    /// Whether what is at `path` now is this file, and it was added to.
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
