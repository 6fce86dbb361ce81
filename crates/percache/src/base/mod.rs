//! What everything else stands on: digests, the canonical encoding, files, locks. Knows nothing of databases.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `block_hasher` | SHA-1 that goes on from a state which many hashes have in common |
//! | `claim` | locks on names, which say who does what and die with their holder |
//! | `clock` | the time of day, read here alone |
//! | `codec` | The canonical encoding |
//! | `digest` | SHA-1 digests |
//! | `exit` | closing what lives in statics when the process exits |
//! | `files` | Files that only their owner can read, and that are seen whole or not at all |
//! | `fork` | what a process has for itself after a fork |
//! | `lock` | Advisory locks between processes |

pub mod block_hasher;
pub mod claim;
pub mod clock;
pub mod codec;
pub mod digest;
pub(crate) mod exit;
pub mod files;
pub(crate) mod fork;
pub mod lock;
