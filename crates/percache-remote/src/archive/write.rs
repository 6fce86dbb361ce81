//! From a store into a file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};

use percache::base::codec::Encode;
use percache::store::interface::Contents;
use percache::store::record::{Content, StoredResult};

use super::{CONTENT, END, HEAD, RESULT, recorded_under};
use crate::digest::{Blob, Hasher, Sha256};
use crate::inlined::Inlined;
use crate::keys::ActionKey;
use crate::record::{Notary, RemoteResult};

/// Good enough, and faster than most disks.
const LEVEL: i32 = 3;

/// A result to be written.
#[derive(Clone, Debug)]
pub struct Export {
    /// Its action.
    pub action: ActionKey,
    /// The directory that it is tied to.
    pub place: Option<percache::store::id::WorkspaceId>,
    /// The result. Its contents are in the store.
    pub result: StoredResult,
    /// What was hashed into its key.
    pub parts: Vec<u8>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Results.
    pub results: u64,
    /// Results that were left out, because the store does not have all of them any more.
    pub incomplete: u64,
    /// Contents, each once.
    pub contents: u64,
    /// The bytes of these contents.
    pub bytes: u64,
}

/// Writes results to a file, one after the other.
pub struct ArchiveWriter<'a, W: Write> {
    to: zstd::stream::write::Encoder<'static, W>,
    notary: &'a Notary,
    local: &'a dyn Contents,
    /// The name of each content that was looked at; `None` for those that cannot be read.
    names: HashMap<Content, Option<Blob>>,
    there: HashSet<Sha256>,
    written: Written,
}

impl<'a, W: Write> ArchiveWriter<'a, W> {
    /// Begins a file. Results are signed if `notary` has a key.
    ///
    /// # Errors
    /// Those of writing.
    pub fn new(mut to: W, notary: &'a Notary, local: &'a dyn Contents) -> io::Result<ArchiveWriter<'a, W>> {
        to.write_all(HEAD)?;
        let mut to = zstd::stream::write::Encoder::new(to, LEVEL)?;
        to.include_checksum(true)?;
        let (names, there) = (HashMap::new(), HashSet::new());
        Ok(ArchiveWriter { to, notary, local, names, there, written: Written::default() })
    }

    /// Adds a result and its contents. One that the store does not have all of is left out.
    ///
    /// # Errors
    /// Those of writing, and if the store loses a content meanwhile.
    pub fn add(&mut self, export: &Export) -> io::Result<()> {
        let Some(blobs) = self.name(&export.result) else {
            self.written.incomplete += 1;
            return Ok(());
        };
        let record = RemoteResult { result: export.result.clone(), blobs, paths: None, inlined: Inlined::default() };
        let mut body = Vec::new();
        let key = recorded_under(&export.action, export.place.as_ref());
        body.bytes(&self.notary.encode_result(&key, &record));
        body.bytes(&export.parts);
        body.bool(export.place.is_some());
        export.place.iter().for_each(|place| body.extend_from_slice(place.as_bytes()));
        self.to.write_all(&[RESULT])?;
        self.to.write_all(&(body.len() as u64).to_le_bytes())?;
        self.to.write_all(&body)?;
        self.to.write_all(&Sha256::of(&body).0)?;
        self.written.results += 1;
        let new: Vec<_> = record.contents().filter(|(_, blob)| self.there.insert(blob.digest)).collect();
        new.iter().try_for_each(|(content, blob)| self.add_content(content, blob))
    }

    /// Ends the file. Returns what is in it, and where it was written to.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> io::Result<(Written, W)> {
        self.to.write_all(&[END])?;
        self.to.write_all(&self.written.results.to_le_bytes())?;
        self.to.write_all(&self.written.contents.to_le_bytes())?;
        Ok((self.written, self.to.finish()?))
    }

    /// Names every content of a result. Reads each for it: what is damaged here must not go anywhere.
    fn name(&mut self, result: &StoredResult) -> Option<BTreeMap<percache::Digest, Blob>> {
        let local = self.local;
        let mut named = |content: Content| {
            let blob = *self.names.entry(content).or_insert_with(|| Blob::of_content(local, &content));
            blob.map(|blob| (content.digest, blob))
        };
        result.contents().map(&mut named).collect()
    }

    fn add_content(&mut self, content: &Content, blob: &Blob) -> io::Result<()> {
        self.to.write_all(&[CONTENT])?;
        self.to.write_all(&blob.digest.0)?;
        self.to.write_all(&blob.length.to_le_bytes())?;
        let mut same = Same { to: &mut self.to, hasher: Hasher::new() };
        self.local.read(content, &mut same).map_err(io::Error::other)?;
        if same.hasher.finish() != blob.digest {
            return Err(io::Error::other(format!("the content {} has changed meanwhile", content.digest)));
        }
        self.written.contents += 1;
        self.written.bytes += blob.length;
        Ok(())
    }
}

/// Hashes what goes through it.
struct Same<'a, W> {
    to: &'a mut W,
    hasher: Hasher,
}

impl<W: Write> Write for Same<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
