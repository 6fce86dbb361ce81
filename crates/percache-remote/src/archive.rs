//! Results in one file, which moves them between stores without any server.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `write` | from a store into a file |
//! | `read` | from a file that may be anything into a store |
//!
//! # Format
//!
//! The text of [`HEAD`], and behind it one zstd frame with a checksum. In it, numbers are little-endian, and there are
//! entries of three kinds, each behind a byte that names it:
//!
//! | kind | entry |
//! | --- | --- |
//! | `R` | a result: the length of its body (8 bytes), the body, the SHA-256 of the body |
//! | `C` | a content: its SHA-256, its length (8 bytes), and so many bytes |
//! | `E` | the end: how many results and how many contents there are (8 bytes each) |
//!
//! The body of a result is its record as [`crate::record`] has it, signature included; what was hashed into its key; and
//! optionally the digest of the directory that it is tied to (20 bytes): bytes, bytes, option. Behind a result come
//! those of its contents that did not come before. So a file can be written to a pipe and read from one, and whoever
//! reads it knows what to expect before it comes, from a record whose signature is checked.
//!
//! A result that is tied to a directory is recorded under another key than the same action is anywhere else, so neither
//! its record nor its signature passes for that of one which everybody may use.

mod read;
mod write;

use percache::base::codec::Encode;
use percache::store::id::WorkspaceId;

use crate::digest::Hasher;
use crate::keys::ActionKey;

pub use read::{ArchiveError, ArchiveReader, Item, Taken};
pub use write::{ArchiveWriter, Export, Written};

const HEAD: &[u8] = b"percache archive 1\n";
/// The body of a result is never longer: that is some hundred thousand outputs, twice.
const BODY: u64 = 32 << 20;

const RESULT: u8 = b'R';
const CONTENT: u8 = b'C';
const END: u8 = b'E';

/// Returns the key under which a result is recorded in a file.
fn recorded_under(action: &ActionKey, place: Option<&WorkspaceId>) -> ActionKey {
    let Some(place) = place else { return *action };
    let mut hasher = Hasher::new();
    hasher.text("percache archive tied 1 sha256");
    hasher.update(&action.0.0);
    hasher.update(place.as_bytes());
    ActionKey(hasher.finish())
}

#[cfg(test)]
mod tests;
