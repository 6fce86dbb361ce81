//! What the store keeps: results, their output manifests, path sets. Types and encodings, nothing else.
//!
//! Encodings are those of [`crate::base::codec`], fields in the order in which they stand here. Knows nothing of the database.

use super::id::{ActionKey, Fingerprint, WorkspaceId};
use super::manifest::Manifest;
use crate::base::clock::{Micros, Time};
use crate::base::codec::{DecodeError, Decoder, Encode};
use crate::base::digest::Digest;

/// The name of one result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResultKey {
    /// The action key: fingerprint and discovered inputs.
    pub action: ActionKey,
    /// The directory that the result is tied to because its outputs contain the directory's path.
    pub place: Option<WorkspaceId>,
}

impl ResultKey {
    /// Length of the encoding: action, then place or zeros.
    pub const LEN: usize = 40;

    /// Returns whether the result may be used in the directory `here`: it is tied to none, or to that one. A workspace
    /// that is moved keeps what it remembers, and may remember results that are tied to where it was.
    pub fn counts_in(&self, here: &WorkspaceId) -> bool {
        self.place.is_none_or(|place| place == *here)
    }

    /// The bytes under which the store keeps it.
    pub fn to_bytes(self) -> [u8; ResultKey::LEN] {
        let mut bytes = [0; ResultKey::LEN];
        bytes[..20].copy_from_slice(self.action.as_bytes());
        bytes[20..].copy_from_slice(self.place.unwrap_or_default().as_bytes());
        bytes
    }

    /// The key that these bytes are.
    pub fn from_bytes(bytes: &[u8]) -> Option<ResultKey> {
        let (action, place) = bytes.split_at_checked(20)?;
        let place = WorkspaceId::from_slice(place)?;
        Some(ResultKey {
            action: ActionKey::from_slice(action)?,
            place: (place != WorkspaceId::default()).then_some(place),
        })
    }
}

/// Some content in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Content {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub length: u64,
}

impl Content {
    /// Whether it is that of an empty file.
    pub fn is_nothing(&self) -> bool {
        self.length == 0 && self.digest == Digest::of(b"")
    }
}

/// One thing in an output manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File {
        /// What is in it.
        content: Content,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symlink and the text of its target.
    Symlink(Vec<u8>),
    /// A directory; what is in it has entries of its own.
    Directory,
}

/// A path, relative to the workspace, and what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `/`-separated; as bytes, because file names need not be UTF-8.
    pub path: Vec<u8>,
    /// What is there.
    pub node: Node,
    /// Rights that it lacks although the umask of the run would have left them, as bits of a mode: of a private key,
    /// those of all others.
    pub withheld: u16,
    /// Whether the store keeps the content of a file. If not, the store only knows it by its digest (`store = false`).
    pub kept: bool,
}

/// What a run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResult {
    /// The name of what produced it, for people.
    pub label: String,
    /// The fingerprint that the action key is made from.
    pub fingerprint: Fingerprint,
    /// When it was recorded.
    pub created: Time,
    /// How long the run took.
    pub took: Micros,
    /// The exit status.
    pub status: i32,
    /// The captured log.
    pub log: Content,
    /// The output manifest.
    pub outputs: Manifest,
}

/// Stands before the kind of an entry.
const LACKS_RIGHTS: u8 = 3;
/// The kind of a file whose content is not kept.
const NOT_KEPT: u8 = 4;

impl Content {
    fn encode(&self, to: &mut Vec<u8>) {
        to.digest(&self.digest);
        to.u64(self.length);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Content, DecodeError> {
        Ok(Content { digest: from.digest()?, length: from.u64()? })
    }
}

impl Entry {
    /// An entry that has all rights that the umask leaves, and whose content is kept.
    pub fn new(path: impl Into<Vec<u8>>, node: Node) -> Entry {
        Entry { path: path.into(), node, withheld: 0, kept: true }
    }

    /// Appends the encoding. That of an entry which lacks nothing and is kept is the one from before there was either.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.bytes(&self.path);
        if self.withheld != 0 {
            to.u8(LACKS_RIGHTS);
            to.u32(self.withheld.into());
        }
        match &self.node {
            Node::File { content, executable } => {
                to.u8(if self.kept { 0 } else { NOT_KEPT });
                content.encode(to);
                to.bool(*executable);
            }
            Node::Symlink(target) => {
                to.u8(1);
                to.bytes(target);
            }
            Node::Directory => to.u8(2),
        }
    }

    /// Reads one back.
    pub fn decode(from: &mut Decoder<'_>) -> Result<Entry, DecodeError> {
        let path = from.bytes()?.to_vec();
        let (mut kind, mut withheld) = (from.u8()?, 0);
        if kind == LACKS_RIGHTS {
            let rights = u16::try_from(from.u32()?).ok().filter(|rights| (1..=0o777).contains(rights));
            withheld = rights.ok_or(DecodeError("an output lacks rights that there are not"))?;
            kind = from.u8()?;
        }
        let node = match kind {
            0 | NOT_KEPT => Node::File { content: Content::decode(from)?, executable: from.bool()? },
            1 => Node::Symlink(from.bytes()?.to_vec()),
            2 => Node::Directory,
            _ => return Err(DecodeError("an output is of an unknown kind")),
        };
        Ok(Entry { path, node, withheld, kept: kind != NOT_KEPT })
    }
}

impl StoredResult {
    /// The encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(128 + 64 * self.outputs.len());
        to.text(&self.label);
        to.digest(self.fingerprint.digest());
        to.time(self.created);
        to.micros(self.took);
        to.u32(self.status as u32);
        self.log.encode(&mut to);
        self.outputs.encode(&mut to);
        to
    }

    /// Reads one back.
    pub fn decode(bytes: &[u8]) -> Result<StoredResult, DecodeError> {
        let mut from = Decoder::new(bytes);
        let result = StoredResult {
            label: from.text()?.to_owned(),
            fingerprint: Fingerprint::new(from.digest()?),
            created: from.time()?,
            took: from.micros()?,
            status: from.u32()? as i32,
            log: Content::decode(&mut from)?,
            outputs: Manifest::decode(&mut from)?,
        };
        from.finish()?;
        Ok(result)
    }

    /// Returns the label of the result that these bytes encode; reads no more of them than that.
    pub fn label_of(bytes: &[u8]) -> Option<&str> {
        Decoder::new(bytes).text().ok()
    }

    /// Every content that the store keeps for it, the log and the files; of nothing there is nothing to be kept.
    pub fn contents(&self) -> impl Iterator<Item = Content> + '_ {
        let files = self.outputs.iter().filter_map(|entry| match &entry.node {
            Node::File { content, .. } if entry.kept => Some(*content),
            _ => None,
        });
        std::iter::once(self.log).chain(files).filter(|content| !content.is_nothing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> StoredResult {
        let content = Content { digest: Digest::of(b"x"), length: 1 };
        StoredResult {
            label: "pkgs/app:build".into(),
            fingerprint: Fingerprint::new(Digest::of(b"f")),
            created: Time::from_millis(1),
            took: Micros::new(2),
            status: -3,
            log: content,
            outputs: Manifest::from_sorted_entries(vec![
                Entry::new(*b"d", Node::Directory),
                Entry::new(*b"d/\xff", Node::File { content, executable: true }),
                Entry::new(*b"l", Node::Symlink(b"../x".into())),
            ])
            .unwrap(),
        }
    }

    #[test]
    fn a_result_is_read_back_as_written() {
        assert_eq!(StoredResult::decode(&example().encode()), Ok(example()));
        assert_eq!(StoredResult::label_of(&example().encode()), Some("pkgs/app:build"));
    }

    #[test]
    fn the_encoding_is_pinned() {
        assert_eq!(Digest::of(&example().encode()).to_string(), "4a99d299bb874adfac35c80cf40cff73e22016d5");
    }

    #[test]
    fn rights_that_an_output_lacks_are_kept() {
        let mut private = example();
        let mut outputs = private.outputs.into_entries();
        (outputs[0].withheld, outputs[1].withheld) = (0o055, 0o044);
        private.outputs = Manifest::from_sorted_entries(outputs).unwrap();
        let encoded = private.encode();
        assert_eq!(Digest::of(&encoded).to_string(), "a3ee996c593d461996636d1455bc365679b7729b");
        assert_eq!(StoredResult::decode(&encoded), Ok(private));
    }

    #[test]
    fn a_file_that_is_not_kept_is_known_by_its_digest_and_no_content_of_the_result() {
        let mut known = example();
        known.outputs.do_not_keep();
        let encoded = known.encode();
        assert_eq!(Digest::of(&encoded).to_string(), "aecf56a46381b01b29abfb962f8db5ced1f7a457");
        assert_eq!(StoredResult::decode(&encoded), Ok(known.clone()));
        assert_eq!((known.contents().count(), example().contents().count()), (1, 2), "the log is kept");
        let kept: Vec<bool> = known.outputs.iter().map(|entry| entry.kept).collect();
        assert_eq!(kept, [true, false, true], "the manifest has all of a directory and of a symlink");
    }

    #[test]
    fn no_damage_panics() {
        let bytes = example().encode();
        for end in 0..bytes.len() {
            assert!(StoredResult::decode(&bytes[..end]).is_err());
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            let _ = StoredResult::decode(&damaged);
        }
    }

    #[test]
    fn keys_with_and_without_a_place_differ() {
        let action = ActionKey::new(Digest::of(b"a"));
        for place in [None, Some(WorkspaceId::new(Digest::of(b"/home")))] {
            let key = ResultKey { action, place };
            assert_eq!(ResultKey::from_bytes(&key.to_bytes()), Some(key));
        }
        assert_eq!(ResultKey::from_bytes(b"short"), None);
    }
}
