//! SHA-256: how blobs and results are named outside of this machine.
//!
//! The local store names contents by SHA-1, which is not proof against somebody who makes two contents on purpose.
//! What comes from a machine of others is therefore named, and checked, by a function that is.

use std::fmt;
use std::io;

use percache::base::codec::Sink;
use percache::store::interface::Contents;
use percache::store::record::Content;
use ring::digest::{Context, SHA256};

const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// The SHA-256 of some content. Written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// Number of bytes.
    pub const LEN: usize = 32;

    /// Computes the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Sha256 {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Returns the digest that these bytes are, if there are 32 of them.
    pub fn from_slice(bytes: &[u8]) -> Option<Sha256> {
        bytes.try_into().ok().map(Sha256)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Each content is named several times on its way: by one write, not by 32.
        let mut hex = [0; 2 * Sha256::LEN];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        f.write_str(std::str::from_utf8(&hex).unwrap_or_default())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

/// Hashes content piece by piece. It is a [`Sink`], so that it can be fed with whatever has an encoding.
#[derive(Clone)]
pub struct Hasher(Context);

impl Hasher {
    /// Creates a hasher that has seen nothing.
    pub fn new() -> Hasher {
        Hasher(Context::new(&SHA256))
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of everything added.
    pub fn finish(self) -> Sha256 {
        let digest = self.0.finish();
        let mut bytes = [0; Sha256::LEN];
        bytes.copy_from_slice(digest.as_ref());
        Sha256(bytes)
    }
}

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher::new()
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Hasher {
    fn raw(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

/// A piece of content on the remote: its name there and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Blob {
    /// Its digest.
    pub digest: Sha256,
    /// Its length in bytes.
    pub length: u64,
}

impl Blob {
    /// Names a content of the local store; `None` if it cannot be read.
    pub fn of_content(local: &dyn Contents, content: &Content) -> Option<Blob> {
        let mut hasher = Hasher::new();
        local.read(content, &mut hasher).ok()?;
        Some(Blob { digest: hasher.finish(), length: content.length })
    }

    /// Names `bytes`.
    pub fn of(bytes: &[u8]) -> Blob {
        Blob { digest: Sha256::of(bytes), length: bytes.len() as u64 }
    }

    /// Returns whether `bytes` are this content.
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.length == bytes.len() as u64 && self.digest == Sha256::of(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_sha256sum_prints() {
        let printed = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256::of(b"abc").to_string(), printed);
        let mut hasher = Hasher::new();
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!(hasher.finish().to_string(), printed);
    }

    #[test]
    fn other_bytes_are_not_the_blob() {
        let blob = Blob::of(b"abc");
        assert!(blob.is(b"abc") && !blob.is(b"abd") && !blob.is(b"ab"));
        assert!(!Blob { length: 4, ..blob }.is(b"abc"));
    }
}
