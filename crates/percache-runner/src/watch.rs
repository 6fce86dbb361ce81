//! Detects changes to what tasks read, or to what decides which tasks there are.
//!
//! Changes are detected by content: two snapshots of what the watched tasks read ([`Reads`]) are compared. The file
//! system's events only say when to look. Changes that come while commands run may be the work of these commands;
//! [`Blame`] finds out.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `events` | File system events, collected into bursts |
//! | `index_lock` | Whether a git operation is under way |
//! | `reads` | A snapshot of what tasks read, and its changes |
//! | `target` | The watched tasks, and what they read |
//! | `broken` | What to watch while the configuration has a mistake |
//! | `activity` | When the commands of a build run |
//! | `blame` | Telling a build's own changes from the user's |

mod activity;
mod blame;
mod broken;
mod events;
mod index_lock;
mod reads;
mod target;

pub use activity::{Activity, Hearing, Noting};
pub use blame::{Blame, Blamed, Run};
pub use broken::Broken;
pub use events::{Burst, Concern, Events};
pub use reads::{Change, Reads, Scope, abandoned, own_streams};
pub use target::{Configured, Happened, Target};
