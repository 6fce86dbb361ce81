//! Digests as messages: the names of contents, and of the actions that stand for our keys.

use prost::Message;

use crate::digest::{Blob, Sha256};
use crate::reapi::v2;
use crate::service::Key;

/// Returns the message that names a content.
pub(crate) fn digest(blob: &Blob) -> v2::Digest {
    v2::Digest { hash: blob.digest.to_string(), size_bytes: blob.length as i64 }
}

/// Returns the content that a message names, if it is a name.
pub(crate) fn blob(digest: &v2::Digest) -> Option<Blob> {
    let digits: &[u8; 2 * Sha256::LEN] = digest.hash.as_bytes().try_into().ok()?;
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let mut bytes = [0; Sha256::LEN];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(Blob { digest: Sha256(bytes), length: u64::try_from(digest.size_bytes).ok()? })
}

/// Returns the digest of the action that stands for a key.
pub(super) fn action(key: &Key) -> v2::Digest {
    let nothing = Some(digest(&Blob::of(b"")));
    let salt = key.digest().0.to_vec().into();
    let action = v2::Action { command_digest: nothing.clone(), input_root_digest: nothing, salt, ..Default::default() };
    digest(&Blob::of(&action.encode_to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_written_and_nonsense_is_none() {
        let name = Blob::of(b"abc");
        assert_eq!(blob(&digest(&name)), Some(name));
        for (hash, size_bytes) in [("", 0), ("zz", 1), (&"ab".repeat(31), 1), (&"ab".repeat(32), -1), ("abc", 1)] {
            assert_eq!(blob(&v2::Digest { hash: hash.into(), size_bytes }), None);
        }
    }

    #[test]
    fn the_action_of_a_key_is_pinned() {
        let key = Key::Result(crate::ActionKey(Sha256::of(b"a")));
        assert_eq!(action(&key).hash, "1250c1e15734a394b0a1c85fb37f3adbfa25ba2dae0424a63beee624726c969c");
    }
}
