//! Tells when something changes that tasks read, or that decides which tasks there are.
//!
//! A change is told by contents: two looks at what the watched tasks read ([`Reads`]) are compared. The file system's
//! events only say when it is worth looking. Changes that come while commands run may be their own work; [`Blame`]
//! finds out.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `events` | hints from the file system, in bursts |
//! | `index_lock` | whether git is in the middle of something |
//! | `reads` | what the tasks read, and what of it has changed |
//! | `blame` | which changes a build makes itself |

mod blame;
mod events;
mod index_lock;
mod reads;

pub use blame::{Blame, Blamed, Run, Verdict};
pub use events::{Burst, Concern, Events};
pub use reads::{Change, Reads, Scope, abandoned, own_streams};
