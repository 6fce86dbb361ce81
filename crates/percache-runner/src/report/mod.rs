//! What builds did, written down and read back. Knows nothing of how it is shown.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `history` | The last builds of a worktree, for `percache report` |
//! | `recorder` | Listens to a build and writes down for [`crate |
//! | `retrospect` | What there is to tell of the last build |

pub mod history;
pub mod recorder;
pub mod retrospect;
