//! The state of a path, and its only encoding.

use percache::Digest;
use percache::base::codec::{DecodeError, Decoder, Encode, Sink};

/// The state of a path, as far as a task can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Nothing is there.
    Absent,
    /// A regular file.
    File {
        /// The digest of its content.
        digest: Digest,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symlink.
    Symlink {
        /// The text of its target.
        target: Vec<u8>,
        /// What it leads to.
        behind: Behind,
    },
    /// A directory; its entries are not part of the state.
    Directory,
    /// A socket, a pipe or a device.
    Special,
}

/// What a symlink leads to in the end, through any number of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Nothing: it dangles, or is part of a cycle.
    Nothing,
    /// A regular file.
    File {
        /// The digest of its content.
        digest: Digest,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A directory; its entries are not part of the state.
    Directory,
    /// A socket, a pipe or a device.
    Special,
}

impl Behind {
    /// Returns the digest of the file that is there.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Behind::File { digest, .. } => Some(*digest),
            _ => None,
        }
    }

    fn encode(&self, sink: &mut (impl Sink + ?Sized)) {
        match self {
            Behind::Nothing => sink.u8(0),
            Behind::File { digest, executable } => {
                sink.u8(if *executable { 2 } else { 1 });
                sink.digest(digest);
            }
            Behind::Directory => sink.u8(3),
            Behind::Special => sink.u8(4),
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Behind, DecodeError> {
        Ok(match from.u8()? {
            0 => Behind::Nothing,
            tag @ (1 | 2) => Behind::File { digest: from.digest()?, executable: tag == 2 },
            3 => Behind::Directory,
            4 => Behind::Special,
            _ => return Err(DecodeError("a symlink leads to something of an unknown kind")),
        })
    }
}

impl FileState {
    /// Writes the canonical encoding to `sink`.
    pub fn encode(&self, sink: &mut (impl Sink + ?Sized)) {
        match self {
            FileState::Absent => sink.u8(0),
            FileState::File { digest, executable } => {
                sink.u8(1);
                sink.digest(digest);
                sink.bool(*executable);
            }
            FileState::Symlink { target, behind } => {
                sink.u8(2);
                sink.bytes(target);
                behind.encode(sink);
            }
            FileState::Directory => sink.u8(3),
            FileState::Special => sink.u8(4),
        }
    }

    /// Decodes a state.
    pub fn decode(from: &mut Decoder<'_>) -> Result<FileState, DecodeError> {
        Ok(match from.u8()? {
            0 => FileState::Absent,
            1 => FileState::File { digest: from.digest()?, executable: from.bool()? },
            2 => FileState::Symlink { target: from.bytes()?.to_vec(), behind: Behind::decode(from)? },
            3 => FileState::Directory,
            4 => FileState::Special,
            _ => return Err(DecodeError("a file is of an unknown kind")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_back_as_written() {
        let digest = Digest::of(b"x");
        for state in [
            FileState::Absent,
            FileState::File { digest, executable: true },
            FileState::Symlink { target: b"a".into(), behind: Behind::File { digest, executable: false } },
            FileState::Symlink { target: b"a".into(), behind: Behind::File { digest, executable: true } },
            FileState::Symlink { target: b"a".into(), behind: Behind::Nothing },
            FileState::Symlink { target: b"a".into(), behind: Behind::Directory },
            FileState::Symlink { target: b"a".into(), behind: Behind::Special },
            FileState::Directory,
            FileState::Special,
        ] {
            let mut bytes = Vec::new();
            state.encode(&mut bytes);
            let mut decoder = Decoder::new(&bytes);
            assert_eq!(FileState::decode(&mut decoder), Ok(state));
            assert_eq!(decoder.finish(), Ok(()));
        }
    }
}
