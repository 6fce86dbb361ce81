//! What lies on a remote for a result, and for the path sets of a fingerprint.
//!
//! # Encoding
//!
//! [`percache::base::codec`]. A result is the text `percache remote result 1`, its body as bytes, and an optional
//! signature (public key and signature, 96 bytes). One that has contents in it (`inlined`) begins with
//! `percache remote result 2` instead, and has these behind the signature. The body is in both:
//!
//! | field | encoding |
//! | --- | --- |
//! | action key | 32 bytes |
//! | result | bytes: the encoding that the store has for it |
//! | contents | list, sorted by SHA-1, of: SHA-1 (20 bytes), length, SHA-256 (32 bytes) |
//! | path set | option of bytes: the encoding that the store has for it |
//!
//! The path sets of a fingerprint are the text `percache remote paths 1`, and a list of: path set as bytes, optional
//! signature. What is signed is the namespace and the body or path set, under the text in front as the domain, and the
//! key under which the record lies.
//!
//! Decoding believes nothing: not the order, not the paths, not that what is referred to is named, not that the record
//! is one of the key under which it was found.

use std::collections::{BTreeMap, BTreeSet};

use percache::base::codec::{DecodeError, Decoder, Encode};
use percache::store::manifest::PathSet;
use percache::store::record::{Content, StoredResult};

use crate::digest::{Blob, Sha256};
use crate::inlined::Inlined;
use crate::keys::{ActionKey, FingerprintKey};
use crate::trust::{Distrust, Signature, SigningKey, Statement, Trust};

/// What a result without inlined contents begins with, and the domain of the signatures of both.
const RESULT: &str = "percache remote result 1";
const RESULT_INLINING: &str = "percache remote result 2";
const PATHS: &str = "percache remote paths 1";
/// Path sets that are kept for one fingerprint: as many as the local store keeps.
const PATH_SETS: usize = 16;

/// A result with the names that its contents have on the remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteResult {
    /// The result, with local names.
    pub result: StoredResult,
    /// Under which name each of its contents lies on the remote, by the local name.
    pub blobs: BTreeMap<percache::Digest, Blob>,
    /// Its discovered inputs, if it can have any.
    pub paths: Option<PathSet>,
    /// Those of its contents that are in the record, and not beside it.
    pub inlined: Inlined,
}

/// Why a record that was found is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no record, or contradicts itself.
    #[error(transparent)]
    Damaged(#[from] DecodeError),
    /// It is the record of another key.
    #[error("it is the result of another action")]
    Misplaced,
    /// Its command failed; such results are never stored.
    #[error("it is the result of a command that failed with status {0}")]
    Failed(i32),
    /// It is not signed by anybody who is believed.
    #[error(transparent)]
    Distrust(#[from] Distrust),
}

/// Where records lie: their namespace, whose are believed, and what ours are signed with.
#[derive(Debug, Default)]
pub struct Notary {
    /// The namespace.
    pub namespace: String,
    /// Who is believed.
    pub trust: Trust,
    /// What is signed with, if anything.
    pub key: Option<SigningKey>,
}

impl Notary {
    /// Encodes a result, and signs it if there is a key.
    pub fn encode_result(&self, action: &ActionKey, record: &RemoteResult) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&action.0.0);
        body.bytes(&record.result.encode());
        body.count(record.blobs.len());
        for (local, blob) in &record.blobs {
            body.digest(local);
            body.u64(blob.length);
            body.extend_from_slice(&blob.digest.0);
        }
        body.bool(record.paths.is_some());
        if let Some(paths) = &record.paths {
            body.bytes(&paths.encode());
        }
        let mut to = Vec::with_capacity(body.len() + 160);
        to.text(if record.inlined.is_empty() { RESULT } else { RESULT_INLINING });
        to.bytes(&body);
        put_signature(&mut to, self.sign(RESULT, &action.0, &body).as_ref());
        if !record.inlined.is_empty() {
            record.inlined.encode(&mut to);
        }
        to
    }

    /// Returns the encoding of a result, as it is and signed by whoever has signed it, with these contents in it.
    ///
    /// # Errors
    /// It is none.
    pub fn encode_with(bytes: &[u8], inlined: &Inlined) -> Result<Vec<u8>, DecodeError> {
        let mut from = Decoder::new(bytes);
        from.text()?;
        let (body, signature) = (from.bytes()?, signature(&mut from)?);
        let mut to = Vec::with_capacity(bytes.len() + 160);
        to.text(RESULT_INLINING);
        to.bytes(body);
        put_signature(&mut to, signature.as_ref());
        inlined.encode(&mut to);
        Ok(to)
    }

    /// Reads a result that was found under `action`.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn decode_result(&self, action: &ActionKey, bytes: &[u8]) -> Result<RemoteResult, Refusal> {
        let mut from = Decoder::new(bytes);
        let inlines = match from.text()? {
            RESULT => false,
            RESULT_INLINING => true,
            _ => return Err(DecodeError("it is of another version").into()),
        };
        let (body, signature) = (from.bytes()?, signature(&mut from)?);
        self.check(RESULT, &action.0, body, signature.as_ref())?;
        let mut record = decode_body(action, body)?;
        if inlines {
            let lengths: Vec<_> = record.blobs.values().map(|blob| blob.length).collect();
            record.inlined = Inlined::decode(&mut from, &lengths)?;
        }
        from.finish()?;
        Ok(record)
    }

    /// Encodes path sets: `new`, and behind it what is there already.
    ///
    /// What others have signed stays as it is. What is there but cannot be read is replaced.
    pub fn add_paths(&self, fingerprint: &FingerprintKey, new: &PathSet, there: Option<&[u8]>) -> Option<Vec<u8>> {
        let new = new.encode();
        let there = there.and_then(|bytes| path_items(bytes).ok()).unwrap_or_default();
        let believed = |item: &PathItem<'_>| self.check(PATHS, &fingerprint.0, item.0, item.1.as_ref()).is_ok();
        if there.iter().any(|item| item.0 == new && believed(item)) {
            return None;
        }
        let mut items = vec![(&new[..], self.sign(PATHS, &fingerprint.0, &new))];
        // Those that nobody here believes go first when there are too many.
        let (good, others): (Vec<_>, Vec<_>) = there.into_iter().partition(believed);
        items.extend(good);
        items.extend(others);
        items.truncate(PATH_SETS);
        let mut to = Vec::new();
        to.text(PATHS);
        to.count(items.len());
        for (paths, signature) in &items {
            to.bytes(paths);
            put_signature(&mut to, signature.as_ref());
        }
        Some(to)
    }

    /// Reads the path sets that were found under `fingerprint`, the newest first. Returns as well why some are not used.
    ///
    /// # Errors
    /// When these are no path sets.
    pub fn decode_paths(
        &self,
        fingerprint: &FingerprintKey,
        bytes: &[u8],
    ) -> Result<(Vec<PathSet>, Option<Refusal>), Refusal> {
        let (mut sets, mut refused) = (Vec::new(), None);
        for (paths, signature) in path_items(bytes)? {
            let checked = self.check(PATHS, &fingerprint.0, paths, signature.as_ref()).map_err(Refusal::from);
            match checked.and_then(|()| Ok(PathSet::decode(paths)?)) {
                Ok(set) => sets.push(set),
                Err(refusal) => refused = Some(refusal),
            }
        }
        Ok((sets, refused))
    }

    fn sign(&self, domain: &str, key: &Sha256, body: &[u8]) -> Option<Signature> {
        let fields = [self.namespace.as_bytes(), &key.0, body];
        self.key.as_ref().map(|signer| signer.sign(&Statement { domain, fields: &fields }))
    }

    fn check(&self, domain: &str, key: &Sha256, body: &[u8], by: Option<&Signature>) -> Result<(), Distrust> {
        self.trust.check(&Statement { domain, fields: &[self.namespace.as_bytes(), &key.0, body] }, by)
    }
}

impl RemoteResult {
    /// Returns every content of the result, each once, with its name on the remote.
    pub fn contents(&self) -> impl Iterator<Item = (Content, Blob)> + '_ {
        self.blobs.iter().map(|(digest, blob)| (Content { digest: *digest, length: blob.length }, *blob))
    }

    /// Returns the length of all contents that are in the record.
    pub fn inlined_bytes(&self) -> u64 {
        let inlined = self.contents().enumerate().filter(|(at, _)| self.inlined.has(*at));
        inlined.map(|(_, (content, _))| content.length).sum()
    }

    /// Returns the contents that lie beside the record on the remote.
    pub fn separate(&self) -> impl Iterator<Item = (Content, Blob)> + '_ {
        self.contents().enumerate().filter(|(at, _)| !self.inlined.has(*at)).map(|(_, content)| content)
    }
}

fn decode_body(action: &ActionKey, body: &[u8]) -> Result<RemoteResult, Refusal> {
    let mut from = Decoder::new(body);
    if from.raw(Sha256::LEN)? != action.0.0 {
        return Err(Refusal::Misplaced);
    }
    let encoded = from.bytes()?;
    let result = StoredResult::decode(encoded)?;
    let mut blobs = BTreeMap::new();
    for _ in 0..from.count(60)? {
        let (local, length) = (from.digest()?, from.u64()?);
        let digest = Sha256::from_slice(from.raw(Sha256::LEN)?).ok_or(DecodeError("it ends too early"))?;
        if blobs.last_key_value().is_some_and(|(last, _)| *last >= local) {
            return Err(DecodeError("contents are out of order").into());
        }
        blobs.insert(local, Blob { digest, length });
    }
    let paths = if from.bool()? { Some(PathSet::decode(from.bytes()?)?) } else { None };
    from.finish()?;
    let record = RemoteResult { result, blobs, paths, inlined: Inlined::default() };
    let names: BTreeSet<_> = record.blobs.values().map(|blob| blob.digest).collect();
    if names.len() < record.blobs.len() {
        return Err(DecodeError("two of its contents have one name").into());
    }
    let wanted: BTreeMap<_, _> = record.result.contents().map(|content| (content.digest, content.length)).collect();
    if !record.contents().map(|(content, _)| (content.digest, content.length)).eq(wanted) {
        return Err(DecodeError("its contents are not those of its outputs").into());
    }
    // Two encodings of one thing would be two things that one signature could be shown for.
    if record.result.encode() != encoded {
        return Err(DecodeError("it is not in its one encoding").into());
    }
    match record.result.status {
        0 => Ok(record),
        status => Err(Refusal::Failed(status)),
    }
}

type PathItem<'a> = (&'a [u8], Option<Signature>);

fn path_items(bytes: &[u8]) -> Result<Vec<PathItem<'_>>, DecodeError> {
    let mut from = Decoder::new(bytes);
    if from.text()? != PATHS {
        return Err(DecodeError("it is of another version"));
    }
    let items = (0..from.count(5)?).map(|_| Ok((from.bytes()?, signature(&mut from)?)));
    let items = items.collect::<Result<Vec<_>, DecodeError>>()?;
    from.finish()?;
    Ok(items)
}

fn put_signature(to: &mut Vec<u8>, signature: Option<&Signature>) {
    to.bool(signature.is_some());
    if let Some(signature) = signature {
        to.extend_from_slice(&signature.to_bytes());
    }
}

fn signature(from: &mut Decoder<'_>) -> Result<Option<Signature>, DecodeError> {
    match from.bool()? {
        true => Ok(Signature::from_bytes(from.raw(Signature::LEN)?)),
        false => Ok(None),
    }
}

#[cfg(test)]
mod tests;
