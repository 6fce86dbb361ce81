//! Reading and adding contents: as one blob each, or cut into several.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::sync::{MutexGuard, PoisonError};

use super::layout::{BLOBS, CHUNKED_ABOVE, INDEX, digest_key, kind, list_from};
use super::record::Content;
use super::writer::Packed;
use super::{ReadError, Store, blob};
use crate::base::digest::{Digest, Hasher};
use crate::db::engine::EngineError;

impl Store {
    /// Writes a content to `to`, verified: after `Ok`, exactly that content was written; after an error, anything may have been.
    pub fn read(&self, content: &Content, to: &mut dyn Write) -> Result<(), ReadError> {
        if content.is_nothing() {
            return Ok(());
        }
        if let Some(bytes) = self.fresh.take(content) {
            return Ok(to.write_all(&bytes)?);
        }
        if content.length <= CHUNKED_ABOVE {
            return Ok(to.write_all(&self.sound_piece(&content.digest)?)?);
        }
        let (mut hasher, list) = (Hasher::new(), self.list(&content.digest)?);
        for digest in &list {
            // Not each by itself: its digest would be made of every byte twice.
            let piece = self.piece(digest).inspect_err(|_| self.note_broken(&list))?;
            hasher.update(&piece);
            to.write_all(&piece)?;
        }
        if hasher.finish() == content.digest {
            return Ok(());
        }
        self.note_broken(&list);
        Err(ReadError::Damaged(content.digest))
    }

    /// A piece that has its digest; another one is to be written again.
    fn sound_piece(&self, digest: &Digest) -> Result<Vec<u8>, ReadError> {
        let piece = self.piece(digest).and_then(|piece| match Digest::of(&piece) == *digest {
            true => Ok(piece),
            false => Err(ReadError::Damaged(*digest)),
        });
        if piece.is_err() {
            self.broken().insert(*digest);
        }
        piece
    }

    fn note_broken(&self, list: &[Digest]) {
        list.iter().for_each(|digest| drop(self.sound_piece(digest)));
    }

    fn broken(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn piece(&self, digest: &Digest) -> Result<Vec<u8>, ReadError> {
        let packed = match self.writer.find(|pending| pending.blobs.get(digest).cloned()) {
            Some(packed) => blob::unpack(&packed.bytes),
            None => {
                let mut piece = None;
                if !self.look(BLOBS, digest.as_bytes(), &mut |bytes| piece = blob::unpack(bytes))? {
                    return Err(ReadError::Missing(*digest));
                }
                piece
            }
        };
        packed.ok_or(ReadError::Damaged(*digest))
    }

    fn list(&self, content: &Digest) -> Result<Vec<Digest>, ReadError> {
        if let Some(list) = self.writer.find(|pending| pending.lists.get(content).cloned()) {
            return Ok(list);
        }
        let bytes = self.get(INDEX, &digest_key(kind::LIST, content))?.ok_or(ReadError::Missing(*content))?;
        list_from(&bytes).ok_or(ReadError::Damaged(*content))
    }

    /// Returns whether everything that a content consists of is in the view at hand or waits to be written.
    pub fn has(&self, content: &Content) -> Result<bool, EngineError> {
        if content.is_nothing() {
            return Ok(true);
        }
        let has_piece = |digest: &Digest| {
            let waits = self.writer.find(|pending| pending.blobs.contains_key(digest).then_some(())).is_some();
            !self.broken().contains(digest) && (waits || self.has_piece(digest))
        };
        if content.length <= CHUNKED_ABOVE {
            return Ok(has_piece(&content.digest));
        }
        match self.list(&content.digest) {
            Ok(list) => Ok(list.iter().all(has_piece)),
            Err(ReadError::Engine(e)) => Err(e),
            Err(_) => Ok(false),
        }
    }

    /// Adds what `reader` gives; `seen` is shown the bytes in order. Holds no more than a few pieces at a time.
    pub fn add(&self, reader: &mut dyn Read, seen: &mut dyn FnMut(&[u8])) -> io::Result<Content> {
        let (content, list) = blob::cut(reader, seen, &mut |digest, piece| {
            if !piece.is_empty() {
                self.add_piece(digest, piece);
            }
            Ok(())
        })?;
        if !list.is_empty() {
            self.writer.add_list(content.digest, list);
        }
        Ok(content)
    }

    /// Adds a content that will soon be read, once: what was hashed a moment ago, by this process and in its own
    /// memory, need be neither unpacked nor hashed again then.
    pub fn add_to_read(&self, bytes: &[u8]) -> io::Result<Content> {
        let content = self.add(&mut &bytes[..], &mut |_| ())?;
        self.fresh.put(content, bytes);
        Ok(content)
    }

    fn add_piece(&self, digest: Digest, piece: &[u8]) {
        let waits = || self.writer.find(|pending| pending.blobs.contains_key(&digest).then_some(())).is_some();
        if self.writer.failed().is_some() || waits() {
            return;
        }
        let anew = self.broken().contains(&digest);
        if anew || !self.has_piece(&digest) {
            self.writer.add_blob(digest, Packed { length: piece.len() as u32, bytes: blob::pack(piece), anew });
        }
    }

    /// Looks in the view at hand, however old: a blob that is packed twice costs time, and one that was removed since is noticed
    /// before the result that names it is written.
    fn has_piece(&self, digest: &Digest) -> bool {
        self.view().and_then(|(_, view)| view.contains(INDEX, &digest_key(kind::SIZES, digest))).unwrap_or(false)
    }
}
