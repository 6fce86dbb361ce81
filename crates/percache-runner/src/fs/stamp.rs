//! Stamps: what `lstat` says of a file, and when that stands for the content.
//!
//! A file written twice within one tick of the file system's clock has one stamp and two contents (git calls the
//! problem "racy"). So a stamp stands for a content only if it is older than the moment at which the content was read
//! by more than that clock can resolve. The time that counts is that of the last status change (ctime), which no
//! program can set.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use percache::base::clock;
use percache::base::codec::{DecodeError, Decoder, Encode};
use rustix::fs::{AtFlags, CWD, FileType, Stat, statat};

/// File systems keep times in steps of the kernel's tick, at most 10 ms.
const FINE_STEP: i64 = 20_000_000;
/// Those without fractions of a second (FAT, HFS+, some network file systems) keep times in steps of up to two seconds.
const COARSE_STEP: i64 = 2_100_000_000;

/// What `lstat` says of a file. Times are in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The length in bytes.
    pub size: u64,
    /// The last change of the content.
    pub mtime: i64,
    /// The last change of anything.
    pub ctime: i64,
    /// The inode.
    pub inode: u64,
    /// The type and the permissions.
    pub mode: u32,
}

impl Stamp {
    /// Converts an answer of the system.
    #[allow(clippy::unnecessary_cast, reason = "the fields' types differ between systems")]
    pub fn of(stat: &Stat) -> Stamp {
        let time = |seconds: i64, fraction: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(fraction);
        Stamp {
            size: stat.st_size as u64,
            mtime: time(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            ctime: time(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            inode: stat.st_ino as u64,
            mode: stat.st_mode as u32,
        }
    }

    /// Returns the stamp of what is at `path`, not following a symlink; `None` if nothing is there.
    pub fn at(path: &Path) -> io::Result<Option<Stamp>> {
        Stamp::at_dir(CWD, path.as_os_str())
    }

    /// Like [`Stamp::at`], with the path relative to an open directory.
    pub fn at_dir(dir: BorrowedFd<'_>, path: &OsStr) -> io::Result<Option<Stamp>> {
        match statat(dir, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stamp::of(&stat))),
            // A symlink cycle leads to nothing.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Returns the stamp of an open file.
    pub fn of_file(file: &File) -> io::Result<Stamp> {
        Ok(Stamp::of(&rustix::fs::fstat(file)?))
    }

    /// Returns the type of the file.
    pub fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode as rustix::fs::RawMode)
    }

    /// Returns whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.file_type() == FileType::Directory
    }

    /// Returns whether the owner may execute it.
    pub fn executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    /// Returns whether any change after `moment` must have changed the stamp.
    pub fn settled_at(&self, moment: i64) -> bool {
        let coarse = self.ctime % 1_000_000_000 == 0 && self.mtime % 1_000_000_000 == 0;
        moment - self.ctime > if coarse { COARSE_STEP } else { FINE_STEP }
    }

    /// Returns whether the file was written or replaced between two stamps. A new link or other permissions, which
    /// change only the ctime, do not count.
    pub fn is_written_since(&self, later: &Stamp) -> bool {
        (self.size, self.mtime, self.inode) != (later.size, later.mtime, later.inode)
    }

    /// Appends the encoding to `to`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.u64(self.size);
        to.u64(self.mtime as u64);
        to.u64(self.ctime as u64);
        to.u64(self.inode);
        to.u32(self.mode);
    }

    /// Decodes a stamp.
    pub fn decode(from: &mut Decoder<'_>) -> Result<Stamp, DecodeError> {
        Ok(Stamp {
            size: from.u64()?,
            mtime: from.u64()? as i64,
            ctime: from.u64()? as i64,
            inode: from.u64()?,
            mode: from.u32()?,
        })
    }
}

/// Sets the modification time of a file, in nanoseconds since 1970.
pub fn set_modified(file: &File, mtime: i64) -> io::Result<()> {
    file.set_modified(UNIX_EPOCH + Duration::from_nanos(mtime.unsigned_abs()))
}

/// A moment on two clocks: the wall clock, from which file systems take their times and which may be set, and a
/// monotonic one.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Nanoseconds since 1970.
    pub wall: i64,
    steady: Instant,
}

/// Clocks are adjusted by up to this much without anybody setting them.
const ADJUSTED: i64 = 50_000_000;

impl Moment {
    /// Returns the current moment.
    pub fn now() -> Moment {
        Moment { wall: moment(), steady: Instant::now() }
    }

    /// Returns whether the wall clock was set back since then: a later change may have an earlier time.
    pub fn is_clock_set_back(&self) -> bool {
        moment() - self.wall < self.steady.elapsed().as_nanos() as i64 - ADJUSTED
    }
}

/// Returns the current time in nanoseconds since 1970.
pub fn moment() -> i64 {
    clock::nanos() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_settles_when_the_clock_has_moved_on() {
        let stamp = Stamp { size: 1, mtime: 5, ctime: 1_000_000_007, inode: 1, mode: 0o100644 };
        assert!(!stamp.settled_at(stamp.ctime));
        assert!(!stamp.settled_at(stamp.ctime - 5_000_000_000), "the clock was set back");
        assert!(stamp.settled_at(stamp.ctime + 30_000_000));
        let coarse = Stamp { mtime: 2_000_000_000, ctime: 3_000_000_000, ..stamp };
        assert!(!coarse.settled_at(coarse.ctime + 30_000_000));
        assert!(coarse.settled_at(coarse.ctime + 3_000_000_000));
    }
}
