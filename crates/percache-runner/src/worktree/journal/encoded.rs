//! The encoded bytes of a journal that is to be written.

use std::borrow::Cow;

use percache::Digest;
use percache::base::digest::Hasher;

use crate::fs::stat_table::KnownFiles;

/// The bytes of a journal, in pieces. Parts that do not change from the old journal are borrowed and not copied.
pub struct Encoded<'a> {
    head: Vec<u8>,
    files: Vec<&'a [u8]>,
    rest: Cow<'a, [u8]>,
    digest: Digest,
}

impl<'a> Encoded<'a> {
    /// Joins the part before the files, the files, and the part after them.
    pub(super) fn new(mut head: Vec<u8>, files: &'a KnownFiles, rest: Cow<'a, [u8]>) -> Encoded<'a> {
        head.extend_from_slice(&files.head());
        let mut encoded = Encoded { head, files: files.pieces().collect(), rest, digest: Digest::default() };
        let mut hasher = Hasher::new();
        encoded.body().for_each(|piece| hasher.update(piece));
        encoded.digest = hasher.finish();
        encoded
    }

    fn body(&self) -> impl Iterator<Item = &[u8]> {
        [self.head.as_slice()].into_iter().chain(self.files.iter().copied()).chain([&*self.rest])
    }

    /// Yields the pieces in order.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.body().chain([self.digest.as_bytes().as_slice()])
    }

    /// Returns the number of bytes.
    pub(super) fn size(&self) -> usize {
        self.pieces().map(<[u8]>::len).sum()
    }

    /// Returns all bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.pieces().collect::<Vec<_>>().concat()
    }
}
