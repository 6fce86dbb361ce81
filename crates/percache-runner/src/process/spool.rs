//! A log of any length: up to 8 MiB in memory, beyond that in an unnamed file.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use tempfile::SpooledTempFile;

/// The length up to which a log stays in memory.
const IN_MEMORY: usize = 8 << 20;

/// An append-only log that can be read any number of times.
#[derive(Debug)]
pub struct SpooledLog {
    file: SpooledTempFile,
    len: u64,
}

impl SpooledLog {
    /// Creates an empty log. If it outgrows memory, it moves to an unnamed file in `dir`.
    pub fn new(dir: &Path) -> Self {
        SpooledLog { file: SpooledTempFile::new_in(IN_MEMORY, dir), len: 0 }
    }

    /// Appends bytes to the log.
    ///
    /// # Errors
    /// Fails if the file cannot be created or written.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.len))?;
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Returns the number of bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether the log is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns a reader that starts at the beginning.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn reader(&mut self) -> io::Result<impl Read + '_> {
        self.file.seek(SeekFrom::Start(0))?;
        // What a failed append left after the end does not belong to the log.
        Ok((&mut self.file).take(self.len))
    }

    /// Returns the last `count` bytes, or all if there are fewer.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn tail(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let count = count.min(self.len);
        self.file.seek(SeekFrom::Start(self.len - count))?;
        let mut bytes = Vec::with_capacity(count as usize);
        (&mut self.file).take(count).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_gives_back_what_was_appended() {
        let dir = tempfile::tempdir().unwrap();
        for repeat in [1usize, 5_000] {
            let mut log = SpooledLog::new(dir.path());
            let (mut expected, line) = (Vec::new(), vec![b'x'; 2_000]);
            for number in 0..repeat {
                for part in [number.to_string().as_bytes(), &line] {
                    log.append(part).unwrap();
                    expected.extend_from_slice(part);
                }
                assert_eq!(log.tail(3).unwrap(), b"xxx", "reading between appends does no harm");
            }
            assert_eq!(log.file.is_rolled(), repeat > 1);
            assert_eq!(log.len(), expected.len() as u64);
            assert_eq!(log.tail(7).unwrap(), expected[expected.len() - 7..]);
            assert_eq!(log.tail(u64::MAX).unwrap(), expected);
            let mut read = Vec::new();
            log.reader().unwrap().read_to_end(&mut read).unwrap();
            assert!(read == expected);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
    }
}
