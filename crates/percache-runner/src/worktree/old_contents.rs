//! Former contents of files, from the worktree's copies of texts, the store, or the file itself.
//!
//! For explanations only: no build depends on them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use percache::Digest;
use percache::store::Store;
use percache::store::record::Content;

use crate::syntax::line_diff::{Difference, difference};
use crate::worktree::old_texts::{LONGEST, Texts, as_path};

type Pair = (Digest, Digest);

/// Finds texts by their digest, and compares two of them.
pub struct Contents<'a> {
    root: &'a Path,
    store: Option<&'a Store>,
    texts: Texts,
    /// Results of comparisons, because one header changes many tasks.
    compared: Mutex<HashMap<Pair, Option<Arc<Difference>>>>,
}

impl<'a> Contents<'a> {
    /// Creates the source of contents for the workspace at `root`.
    pub fn new(root: &'a Path, store: Option<&'a Store>, texts: Texts) -> Contents<'a> {
        Contents { root, store, texts, compared: Mutex::default() }
    }

    /// Computes how the file at `path` changed; `None` unless both texts are available.
    pub fn difference(&self, path: &[u8], old: &Digest, new: &Digest) -> Option<Arc<Difference>> {
        let lock = || self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&(*old, *new)) {
            return known.clone();
        }
        let texts = || Some((self.text(path, old)?, self.text(path, new)?));
        let found = texts().and_then(|(old, new)| difference(&old, &new)).map(Arc::new);
        lock().insert((*old, *new), found.clone());
        found
    }

    /// Finds the text with this digest, which is or was at `path`; `None` if it is lost, too long, or not text.
    pub fn text(&self, path: &[u8], digest: &Digest) -> Option<String> {
        if let Some(text) = self.texts.get(digest) {
            return Some(text.to_owned());
        }
        let bytes = self.in_tree(path, digest).or_else(|| self.in_store(digest))?;
        String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
    }

    fn in_tree(&self, path: &[u8], digest: &Digest) -> Option<Vec<u8>> {
        let path = self.root.join(as_path(path));
        let metadata = std::fs::metadata(&path).ok()?;
        let bytes = (metadata.is_file() && metadata.len() <= LONGEST).then(|| std::fs::read(&path))?.ok()?;
        (Digest::of(&bytes) == *digest).then_some(bytes)
    }

    /// Reads content from the store, which has the outputs of tasks whatever became of them in the tree.
    fn in_store(&self, digest: &Digest) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        // The length is not known; contents so long that they are stored in pieces are not wanted.
        self.store?.read(&Content { digest: *digest, length: 0 }, &mut bytes).ok()?;
        (bytes.len() as u64 <= LONGEST).then_some(bytes)
    }
}
