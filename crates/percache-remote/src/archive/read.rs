//! From a file into a store. The file may be anything: nothing in it is believed that cannot be checked.
//!
//! A result is taken when its record is whole, signed by somebody who is believed, and the one of the key that follows
//! from what was hashed into it, and when all its contents have come and have their digests. Each result is checked by
//! itself. So what comes before a damaged place is taken, and what comes behind it is not.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufReader, Read};

use percache::base::codec::{DecodeError, Decoder};
use percache::store::id::WorkspaceId;
use percache::store::interface::Contents;
use percache::store::record::{Content, StoredResult};

use super::{BODY, CONTENT, END, HEAD, RESULT, recorded_under};
use crate::digest::{Blob, Hasher, Sha256};
use crate::keys::ActionKey;
use crate::record::{Notary, RemoteResult};

/// What ends the reading of a file before its end.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is something else.
    #[error("it is no file of exported results")]
    Foreign,
    /// It is one of another version.
    #[error("it was written by another version of percache")]
    Version,
    /// It ends too early.
    #[error("it is cut short")]
    Short,
    /// What is there contradicts itself.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    /// The store cannot take more.
    #[error("the store takes no more: {0}")]
    Store(io::Error),
}

/// A result of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// All of it is there, and checked. Its contents are in the store.
    Taken(Box<Taken>),
    /// It is not used.
    Refused {
        /// What it is said to be, for people.
        label: Option<String>,
        /// Why.
        why: String,
    },
}

/// A result whose contents are in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The result.
    pub result: StoredResult,
    /// What was hashed into its key.
    pub parts: Vec<u8>,
    /// The directory that it is tied to.
    pub place: Option<WorkspaceId>,
    /// The bytes of its contents that came with it.
    pub bytes: u64,
}

/// Computes the action of a result from what was hashed into its key; `None` if that is no such thing.
pub type NameOf<'a> = &'a dyn Fn(&[u8]) -> Option<ActionKey>;

/// Reads a file.
pub struct ArchiveReader<'a, R: Read> {
    from: zstd::stream::read::Decoder<'static, BufReader<R>>,
    notary: &'a Notary,
    local: &'a dyn Contents,
    name_of: NameOf<'a>,
    /// The contents that came, by their names.
    known: HashMap<Sha256, Content>,
    /// The result whose contents are coming.
    pending: Option<Pending>,
    /// Whether the end, or an error, was met.
    over: bool,
    results: u64,
    contents: u64,
}

/// A result that waits for its contents.
enum Pending {
    Believed {
        record: Box<RemoteResult>,
        wanted: HashSet<Blob>,
        parts: Vec<u8>,
        place: Option<WorkspaceId>,
        bytes: u64,
    },
    Refused {
        label: Option<String>,
        why: String,
    },
}

impl<'a, R: Read> ArchiveReader<'a, R> {
    /// Begins to read.
    ///
    /// # Errors
    /// When it is no file of results.
    pub fn new(
        from: R,
        notary: &'a Notary,
        local: &'a dyn Contents,
        name_of: NameOf<'a>,
    ) -> Result<ArchiveReader<'a, R>, ArchiveError> {
        let mut from = BufReader::new(from);
        let mut head = [0; HEAD.len()];
        from.read_exact(&mut head).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => ArchiveError::Foreign,
            _ => ArchiveError::Read(e),
        })?;
        let name = b"percache archive ";
        match head {
            head if head == HEAD => {}
            head if head.starts_with(name) => return Err(ArchiveError::Version),
            _ => return Err(ArchiveError::Foreign),
        }
        let from = zstd::stream::read::Decoder::with_buffer(from).map_err(ArchiveError::Read)?.single_frame();
        let (known, pending) = (HashMap::new(), None);
        Ok(ArchiveReader { from, notary, local, name_of, known, pending, over: false, results: 0, contents: 0 })
    }

    /// Returns the next result; `None` at the end.
    ///
    /// # Errors
    /// What keeps it from reading on. What was returned before is whole.
    #[allow(clippy::should_implement_trait, reason = "it is fallible, and ends for good with an error")]
    pub fn next(&mut self) -> Result<Option<Item>, ArchiveError> {
        loop {
            if self.over {
                return Ok(None);
            }
            match self.entry() {
                Ok(Some(item)) => return Ok(Some(item)),
                Ok(None) => {}
                Err(error) => {
                    self.over = true;
                    return Err(error);
                }
            }
        }
    }

    /// Reads one entry. Returns the result before, if the entry shows that there is no more to it.
    fn entry(&mut self) -> Result<Option<Item>, ArchiveError> {
        match self.array::<1>()?[0] {
            RESULT => {
                let pending = self.result()?;
                self.results += 1;
                let before = self.pending.replace(pending);
                Ok(before.map(|before| self.settle(before)))
            }
            CONTENT => {
                self.content()?;
                self.contents += 1;
                Ok(None)
            }
            END => {
                let counts = (self.number()?, self.number()?);
                // Whatever else is behind it would not be read by anybody; the checksum of the frame is.
                let rest = io::copy(&mut self.from, &mut io::sink()).map_err(broken)?;
                if counts != (self.results, self.contents) || rest > 0 {
                    return Err(ArchiveError::Damaged("its end is not where it should be".into()));
                }
                self.over = true;
                let last = self.pending.take();
                Ok(last.map(|last| self.settle(last)))
            }
            _ => Err(ArchiveError::Damaged("there is an entry of an unknown kind".into())),
        }
    }

    fn result(&mut self) -> Result<Pending, ArchiveError> {
        let length = self.number()?;
        if length > BODY {
            return Err(ArchiveError::Damaged("a result is larger than it can be".into()));
        }
        let mut body = Vec::new();
        (&mut self.from).take(length).read_to_end(&mut body).map_err(broken)?;
        if body.len() as u64 != length {
            return Err(ArchiveError::Short);
        }
        if Sha256(self.array()?) != Sha256::of(&body) {
            return Err(ArchiveError::Damaged("a result is not what it was".into()));
        }
        let refuse = |why: String| Pending::Refused { label: None, why };
        Ok(self.judge(&body).unwrap_or_else(|e| refuse(e.to_string())))
    }

    /// Decides whether the record of a result is believed.
    fn judge(&self, body: &[u8]) -> Result<Pending, DecodeError> {
        let mut from = Decoder::new(body);
        let (record, parts) = (from.bytes()?, from.bytes()?.to_vec());
        let place = match from.bool()? {
            true => Some(WorkspaceId::from_slice(from.raw(20)?).ok_or(DecodeError("it is tied to nothing"))?),
            false => None,
        };
        from.finish()?;
        let action = (self.name_of)(&parts).ok_or(DecodeError("it does not say what it is the result of"))?;
        let key = recorded_under(&action, place.as_ref());
        Ok(match self.notary.decode_result(&key, record) {
            Ok(record) => {
                let wanted = record.blobs.values().copied().collect();
                Pending::Believed { record: Box::new(record), wanted, parts, place, bytes: 0 }
            }
            Err(refusal) => Pending::Refused { label: None, why: refusal.to_string() },
        })
    }

    /// Adds a content to the store if the result before wants it.
    fn content(&mut self) -> Result<(), ArchiveError> {
        let blob = Blob { digest: Sha256(self.array()?), length: self.number()? };
        let wanted = match &mut self.pending {
            Some(Pending::Believed { wanted, bytes, .. }) if wanted.contains(&blob) => {
                *bytes += blob.length;
                true
            }
            _ => false,
        };
        let mut through = Through { from: (&mut self.from).take(blob.length), hasher: Hasher::new(), failed: None };
        let added = match wanted {
            true => self.local.add(&mut through, &mut |_| ()).map(Some),
            false => io::copy(&mut through, &mut io::sink()).map(|_| None),
        };
        let Through { from, hasher, failed } = through;
        if let Some(error) = failed {
            return Err(error);
        }
        let added = added.map_err(ArchiveError::Store)?;
        if from.limit() > 0 {
            return Err(ArchiveError::Short);
        }
        // One that is something else than its name says is not there for whoever needs it.
        if let Some(content) = added.filter(|_| hasher.finish() == blob.digest) {
            self.known.insert(blob.digest, content);
        }
        Ok(())
    }

    /// Decides about a result when all of its contents should have come.
    fn settle(&self, pending: Pending) -> Item {
        match pending {
            Pending::Refused { label, why } => Item::Refused { label, why },
            Pending::Believed { record, parts, place, bytes, .. } => {
                let came = |(content, blob): (Content, Blob)| self.known.get(&blob.digest) == Some(&content);
                let is_whole = record.contents().all(came);
                match is_whole {
                    true => Item::Taken(Box::new(Taken { result: record.result, parts, place, bytes })),
                    false => {
                        let why = "its contents are not all there as they were".to_owned();
                        Item::Refused { label: Some(record.result.label), why }
                    }
                }
            }
        }
    }

    fn number(&mut self) -> Result<u64, ArchiveError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes).map_err(broken)?;
        Ok(bytes)
    }
}

/// Tells the end of a file from damage: the decoder reports both.
fn broken(error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ArchiveError::Short,
        // What zstd says of a frame that is none has no number of the system.
        io::ErrorKind::Other if error.raw_os_error().is_none() => ArchiveError::Damaged(error.to_string()),
        _ => ArchiveError::Read(error),
    }
}

/// Hashes what is read through it, and keeps errors of reading apart from those of the store.
struct Through<R> {
    from: R,
    hasher: Hasher,
    failed: Option<ArchiveError>,
}

impl<R: Read> Read for Through<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.from.read(buffer) {
            Ok(count) => {
                self.hasher.update(&buffer[..count]);
                Ok(count)
            }
            Err(error) => {
                self.failed = Some(broken(error));
                Err(io::Error::other("it cannot be read on"))
            }
        }
    }
}
