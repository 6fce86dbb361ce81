//! What is on disk now, and writing to it. Knows nothing of tasks or the store.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `beneath` | Writing into the workspace without ever leaving it |
//! | `clearing` | Clearing |
//! | `displaced` | Displaced files |
//! | `git_files` | The files of the workspace that belong to its source |
//! | `git_ignore` | Which paths git's rules ignore |
//! | `git_index` | Which files git tracks |
//! | `git_repository` | Where git keeps what it knows of a work tree |
//! | `git_settings` | What git's configuration says of ignored files, at all of its levels, and which files were read for that |
//! | `hash_file` | The digest of a file of which its stamp is known, with as few calls of the system as may be |
//! | `links` | Where a path leads |
//! | `mapped_file` | The bytes of a file that is read whole |
//! | `outputs` | What outputs lie in the tree, and whether they are as they were recorded |
//! | `parallel` | Does one thing to many items on a few threads of its own |
//! | `rights` | Rights that a command took from what it made |
//! | `staging` | Where files and directories wait on their way into the tree |
//! | `stamp` | Stamps |
//! | `stat_cache` | What is at a path now |
//! | `stat_table` | What a worktree knows of paths |
//! | `trail` | On what it depends which file a path leads to |
//! | `version_control` | Where version control systems other than git keep what they know |
//! | `walk` | Which files a set of patterns names now |

pub mod beneath;
pub mod clearing;
pub mod displaced;
pub mod git_files;
pub mod git_ignore;
pub mod git_index;
pub mod git_repository;
pub mod git_settings;
pub mod hash_file;
pub mod links;
pub mod mapped_file;
pub mod outputs;
pub mod parallel;
pub(crate) mod rights;
pub mod staging;
pub mod stamp;
pub mod stat_cache;
pub mod stat_table;
pub(crate) mod trail;
pub(crate) mod version_control;
pub mod walk;
