//! Results in the back-end and in memory, and what removes, checks and counts them.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `cleared` | Tells the processes that share a cache which results were removed, so that none returns them from memory |
//! | `clock` | The times that results are dated with |
//! | `collect` | Removes results |
//! | `compress` | Compression of large results on their way to the back-end |
//! | `hot` | The results used most recently, in memory |
//! | `record` | What is stored of a result |
//! | `room` | How much room results may take, and how much they take |
//! | `stats` | Figures about a cache |
//! | `verify` | Checks every record of a cache |

pub(crate) mod cleared;
pub(crate) mod clock;
pub mod collect;
pub(crate) mod compress;
pub(crate) mod hot;
pub mod record;
pub(crate) mod room;
pub mod stats;
pub mod verify;
