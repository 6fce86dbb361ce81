//! What a worktree remembers between builds. Knows nothing of how tasks are run.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `conditions` | The conditions under which a journal's evidence is valid |
//! | `directory` | A worktree's own directory in the store |
//! | `displaced` | The directories of displaced files |
//! | `failed_runs` | Logs of the last failed runs |
//! | `intents` | Write-ahead notes of what a build is about to write |
//! | `journal` | The journal: a cache of the last builds' state |
//! | `last_used` | Times of the last use of results |
//! | `neighbours` | Outputs of other single commands |
//! | `old_contents` | Former contents of files, for explanations |
//! | `old_texts` | Copies of small text inputs, so that `why` can show changed lines |
//! | `ownership` | Ownership of what earlier builds left in the tree |
//! | `server_parts` | What was hashed for servers, so that `why` can say how they changed |
//! | `unstable` | Tasks that a check found to be unstable |

pub mod conditions;
pub mod directory;
pub mod displaced;
pub mod failed_runs;
pub mod intents;
pub mod journal;
pub mod last_used;
pub mod neighbours;
pub mod old_contents;
pub mod old_texts;
pub mod ownership;
pub mod server_parts;
pub mod unstable;

pub use directory::*;
