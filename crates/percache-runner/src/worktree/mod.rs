//! What a worktree remembers between builds. Knows nothing of how tasks are built.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `conditions` | Under which conditions the evidence in a journal counts |
//! | `directory` | The part of the store's directory that belongs to one worktree |
//! | `failed_runs` | The last failed runs of a worktree |
//! | `intents` | Intents |
//! | `journal` | The journal |
//! | `last_used` | When results were last used, as far as the store itself does not know |
//! | `old_contents` | What was in a file once, as far as anybody remembers |
//! | `old_texts` | Copies of small text inputs, so that `why` can tell which lines changed |
//! | `ownership` | Who owns what earlier builds left in the tree |
//! | `unstable` | Tasks of a worktree that a check found to be unstable |

pub mod conditions;
pub mod directory;
pub mod failed_runs;
pub mod intents;
pub mod journal;
pub mod last_used;
pub mod old_contents;
pub mod old_texts;
pub mod ownership;
pub mod unstable;

pub use directory::*;
