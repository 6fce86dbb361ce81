//! Files beside results: what other languages keep of large values, so that it can be read and mapped without a copy.
//!
//! `DIR/attachments/XX/KEY`, with the key in hexadecimal digits and its first two as `XX`. Whoever keeps a result writes
//! the file first, and says how long it is when the result is kept ([`Lead::finish_as`](crate::memo::Lead::finish_as)):
//! it counts as a part of the result, and goes when the result goes. Knows nothing of what is in a file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::digest::Digest;

/// The attachments of a cache that has a directory.
pub struct Attachments {
    dir: PathBuf,
}

impl Attachments {
    /// Those of the cache in `dir`.
    pub fn new(dir: &Path) -> Attachments {
        Attachments { dir: dir.join("attachments") }
    }

    /// Returns the same for a child of this process.
    pub fn renewed(&self) -> Attachments {
        Attachments { dir: self.dir.clone() }
    }

    /// Returns where the attachment of a result is, if it has one.
    pub fn path(&self, key: &Digest) -> PathBuf {
        let name = key.to_string();
        self.dir.join(&name[..2]).join(name)
    }

    /// Removes the attachment of a result. Most have none.
    pub fn remove(&self, key: &Digest) {
        if let Err(error) = fs::remove_file(self.path(key))
            && !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        {
            log::warn!("percache: what is kept beside a result could not be removed: {error}");
        }
    }

    /// Removes all of them, also those that belong to no result.
    pub fn remove_all(&self) {
        if let Err(error) = fs::remove_dir_all(&self.dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!("percache: what is kept beside results could not be removed: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_goes_alone_and_all_go_together() {
        let dir = tempfile::tempdir().unwrap();
        let attachments = Attachments::new(dir.path());
        let [one, other] = [b"1", b"2"].map(|bytes| attachments.path(&Digest::of(bytes)));
        for path in [&one, &other] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        attachments.remove(&Digest::of(b"1"));
        attachments.remove(&Digest::of(b"3"));
        assert!(!one.exists() && other.exists());
        attachments.remove_all();
        attachments.remove_all();
        assert!(!dir.path().join("attachments").exists());
    }
}
