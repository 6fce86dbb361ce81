//! The live output of a command, for other processes that wait for its result: marked pieces in the claim's file, after
//! the line that names the holder.
//!
//! This is a courtesy: output that cannot be written or read is left out, and only the beginning of a long log is
//! shared.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use percache::base::claim::Claim;

use crate::process::{Marked, Stream, mark};

/// The size up to which a log is shared.
const SHARED: u64 = 8 << 20;

/// Writes the shared log.
pub struct Feed<'a> {
    claim: Option<&'a Claim>,
    left: u64,
}

impl<'a> Feed<'a> {
    /// Writes into the file of this claim, or nowhere without one.
    pub fn new(claim: Option<&'a Claim>) -> Feed<'a> {
        Feed { claim, left: SHARED }
    }

    /// Appends what the command wrote.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let Some(claim) = self.claim else { return };
        match self.left.checked_sub(bytes.len() as u64) {
            Some(left) if claim.write(&piece(stream, bytes)).is_ok() => self.left = left,
            _ => self.claim = None,
        }
    }
}

/// Returns the bytes with their mark, to be written at once.
pub fn piece(stream: Stream, bytes: &[u8]) -> Vec<u8> {
    // Command output is never read in pieces longer than the length field allows.
    [mark(stream, bytes.len() as u32).as_slice(), bytes].concat()
}

/// Reads what the holder of a claim writes.
pub struct Follower {
    path: PathBuf,
    file: Option<Followed>,
}

struct Followed {
    file: File,
    /// The device and the inode.
    identity: (u64, u64),
    offset: u64,
    /// Whether the line that names the holder has been read.
    named: bool,
    pieces: Marked,
    /// Whether the content makes no sense.
    broken: bool,
}

impl Follower {
    /// Follows the claim at `path`, whoever holds it.
    pub fn new(path: &Path) -> Follower {
        Follower { path: path.to_owned(), file: None }
    }

    /// Passes on what was written since the last call.
    pub fn follow(&mut self, to: &mut dyn FnMut(Stream, &[u8])) {
        // A new holder has a new file, or the same one, truncated, if the last holder was killed.
        let Ok(there) = fs::metadata(&self.path) else { return };
        let identity = (there.dev(), there.ino());
        let same = self.file.as_ref().is_some_and(|own| own.identity == identity && own.offset <= there.len());
        if !same {
            self.file = File::open(&self.path).ok().map(|file| Followed {
                file,
                identity,
                offset: 0,
                named: false,
                pieces: Marked::default(),
                broken: false,
            });
        }
        if let Some(followed) = self.file.as_mut().filter(|followed| !followed.broken) {
            followed.broken = followed.read(to).is_err();
        }
    }
}

impl Followed {
    fn read(&mut self, to: &mut dyn FnMut(Stream, &[u8])) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.offset += self.file.read_to_end(&mut bytes)? as u64;
        let mut pieces = bytes.as_slice();
        if !self.named {
            let end = pieces.iter().position(|byte| *byte == b'\n');
            self.named = end.is_some();
            pieces = end.map_or(&[], |end| &pieces[end + 1..]);
        }
        self.pieces.read(pieces, &mut |stream, bytes| {
            to(stream, bytes);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percache::base::claim::Claimant;

    fn heard(follower: &mut Follower) -> Vec<(Stream, String)> {
        let mut heard = Vec::new();
        follower.follow(&mut |stream, bytes| heard.push((stream, String::from_utf8(bytes.to_vec()).unwrap())));
        heard
    }

    #[test]
    fn who_waits_reads_what_the_holder_writes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("claim");
        let mut follower = Follower::new(&path);
        assert_eq!(heard(&mut follower), []);
        let [claimant, other] = ["process 7", "process 8"].map(|name| Claimant::new(dir.path().to_owned(), name));
        let claim = claimant.claim("claim").unwrap();
        let mut feed = Feed::new(Some(&claim));
        feed.write(Stream::Out, b"one\n");
        assert_eq!(heard(&mut follower), [(Stream::Out, "one\n".to_owned())]);
        feed.write(Stream::Err, b"two");
        feed.write(Stream::Out, b"three");
        let rest = [(Stream::Err, "two".to_owned()), (Stream::Out, "three".to_owned())];
        assert_eq!(heard(&mut follower), rest);
        assert_eq!(heard(&mut follower), []);
        drop(claim);
        let next = other.claim("claim").unwrap();
        Feed::new(Some(&next)).write(Stream::Out, b"anew");
        assert_eq!(heard(&mut follower), [(Stream::Out, "anew".to_owned())]);
    }

    #[test]
    fn a_feed_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("claim");
        let claim = Claimant::new(dir.path().to_owned(), "process 7").claim("claim").unwrap();
        let mut feed = Feed::new(Some(&claim));
        (0..20).for_each(|_| feed.write(Stream::Out, &[b'x'; 1 << 20]));
        assert!(fs::metadata(&path).unwrap().len() < SHARED + (1 << 20));
    }
}
