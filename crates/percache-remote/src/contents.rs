//! What the remote needs of the local store.

use std::io::{self, Read, Write};

use percache::store::record::Content;
use percache::store::{ReadError, Store};

/// Contents under their local names.
pub trait Contents: Send + Sync {
    /// Writes a content to `to`, verified: after `Ok`, exactly that content was written.
    ///
    /// # Errors
    /// When it cannot be had.
    fn read(&self, content: &Content, to: &mut dyn Write) -> Result<(), ReadError>;

    /// Adds what `reader` gives, and returns its name.
    ///
    /// # Errors
    /// When it cannot be read.
    fn add(&self, reader: &mut dyn Read) -> io::Result<Content>;
}

impl Contents for Store {
    fn read(&self, content: &Content, to: &mut dyn Write) -> Result<(), ReadError> {
        Store::read(self, content, to)
    }

    fn add(&self, reader: &mut dyn Read) -> io::Result<Content> {
        Store::add(self, reader, &mut |_| ())
    }
}

/// Returns whether a content is there, whole and sound.
pub(crate) fn has(contents: &dyn Contents, content: &Content) -> bool {
    contents.read(content, &mut io::sink()).is_ok()
}
