//! Both digests of every content that was named for the remote, so that none is read again to be named.
//!
//! The file is the text of [`HEAD`] and 64 bytes for each content: its SHA-1, its length, its SHA-256, and the first four
//! bytes of the SHA-1 of all that. It is only a hint: what is uploaded is checked against its name before.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use percache::Digest;
use percache::base::codec::{Decoder, Encode};
use percache::store::record::Content;

use crate::digest::{Blob, Sha256};

const HEAD: &[u8] = b"percache names 1\n";
const ENTRY: usize = 64;
/// A file with more than this many is made anew: most of what is in it is no output any more.
const MOST: usize = 500_000;

/// The names of contents.
pub(super) struct Names {
    path: PathBuf,
    known: HashMap<Content, Blob>,
    file: Option<File>,
}

impl Names {
    /// Reads the file, as far as it is sound.
    pub fn open(path: PathBuf) -> Names {
        let bytes = fs::read(&path).unwrap_or_default();
        let sound = bytes.strip_prefix(HEAD).filter(|rest| rest.len() % ENTRY == 0 && rest.len() / ENTRY <= MOST);
        let entries = sound.unwrap_or_default().chunks_exact(ENTRY);
        let known = entries.map_while(decode).collect();
        if sound.is_none() && !bytes.is_empty() {
            // Appending to it would be in vain.
            let _ = fs::remove_file(&path);
        }
        Names { path, known, file: None }
    }

    /// Returns the name of a content, if it is known.
    pub fn get(&self, content: &Content) -> Option<Blob> {
        self.known.get(content).copied()
    }

    /// Remembers the name of a content.
    pub fn add(&mut self, content: Content, blob: Blob) {
        if self.known.insert(content, blob) == Some(blob) {
            return;
        }
        if self.file.is_none() {
            self.file = self.path.parent().and_then(|parent| {
                fs::create_dir_all(parent).ok()?;
                let mut file = OpenOptions::new().create(true).append(true).open(&self.path).ok()?;
                if file.metadata().ok()?.len() == 0 {
                    file.write_all(HEAD).ok()?;
                }
                Some(file)
            });
        }
        // A name that is not remembered is found again.
        let written = self.file.as_mut().map(|file| file.write_all(&encode(&content, &blob)));
        if !matches!(written, Some(Ok(()))) {
            self.file = None;
        }
    }
}

fn encode(content: &Content, blob: &Blob) -> Vec<u8> {
    let mut to = Vec::with_capacity(ENTRY);
    to.digest(&content.digest);
    to.u64(content.length);
    to.extend_from_slice(&blob.digest.0);
    let check = Digest::of(&to);
    to.extend_from_slice(&check.as_bytes()[..4]);
    to
}

fn decode(entry: &[u8]) -> Option<(Content, Blob)> {
    let (body, check) = entry.split_at_checked(ENTRY - 4)?;
    if Digest::of(body).as_bytes()[..4] != *check {
        return None;
    }
    let mut from = Decoder::new(body);
    let content = Content { digest: from.digest().ok()?, length: from.u64().ok()? };
    let digest = Sha256::from_slice(from.raw(Sha256::LEN).ok()?)?;
    Some((content, Blob { digest, length: content.length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> (Content, Blob) {
        let content = Content { digest: Digest::of(text.as_bytes()), length: text.len() as u64 };
        (content, Blob::of(text.as_bytes()))
    }

    #[test]
    fn names_outlive_the_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("remote/names");
        let ((content, blob), (other, _)) = (named("a"), named("b"));
        Names::open(path.clone()).add(content, blob);
        Names::open(path.clone()).add(content, blob);
        let names = Names::open(path.clone());
        assert_eq!((names.get(&content), names.get(&other)), (Some(blob), None));
        assert_eq!(fs::metadata(&path).unwrap().len(), (HEAD.len() + ENTRY) as u64);
    }

    #[test]
    fn damage_is_not_believed_and_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("names");
        let (content, blob) = named("a");
        Names::open(path.clone()).add(content, blob);
        let mut bytes = fs::read(&path).unwrap();
        bytes[HEAD.len() + 30] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(Names::open(path.clone()).get(&content), None);
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        Names::open(path.clone()).add(content, blob);
        assert_eq!(Names::open(path).get(&content), Some(blob));
    }
}
