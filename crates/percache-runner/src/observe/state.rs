//! What is at a path, and its one encoding.

use percache::Digest;
use percache::codec::{DecodeError, Decoder, Encode, Sink};

/// What is at a path, as far as a task can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Of its content.
        digest: Digest,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symlink.
    Symlink {
        /// The text of its target.
        target: Vec<u8>,
        /// Of the content of the file that it leads to, if it leads to one.
        content: Option<Digest>,
    },
    /// A directory; what is in it is a matter of its own.
    Directory,
    /// A socket, a pipe, a device.
    Special,
}

impl FileState {
    /// Gives the canonical encoding to `sink`.
    pub fn encode(&self, sink: &mut (impl Sink + ?Sized)) {
        match self {
            FileState::Absent => sink.u8(0),
            FileState::File { digest, executable } => {
                sink.u8(1);
                sink.digest(digest);
                sink.bool(*executable);
            }
            FileState::Symlink { target, content } => {
                sink.u8(2);
                sink.bytes(target);
                sink.bool(content.is_some());
                content.iter().for_each(|digest| sink.digest(digest));
            }
            FileState::Directory => sink.u8(3),
            FileState::Special => sink.u8(4),
        }
    }

    /// Reads one back.
    pub fn decode(from: &mut Decoder<'_>) -> Result<FileState, DecodeError> {
        Ok(match from.u8()? {
            0 => FileState::Absent,
            1 => FileState::File { digest: from.digest()?, executable: from.bool()? },
            2 => FileState::Symlink {
                target: from.bytes()?.to_vec(),
                content: if from.bool()? { Some(from.digest()?) } else { None },
            },
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
            FileState::Symlink { target: b"a".into(), content: Some(digest) },
            FileState::Symlink { target: b"a".into(), content: None },
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
