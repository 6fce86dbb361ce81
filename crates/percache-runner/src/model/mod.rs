//! The data types of tasks, of the events of a build, and of what can go wrong.
//!
//! Knows nothing of the file system or the store.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `caller` | The environment variables of percache's caller |
//! | `diagnostic` | A mistake in a configuration file |
//! | `event` | The events of a build, and who receives them |
//! | `notice` | Warnings and notes of a build |
//! | `package` | The packages of a workspace, as their ecosystem states them |
//! | `path` | Paths relative to the workspace root |
//! | `pattern` | Glob patterns over workspace paths: `inputs`, `outputs`, `foreach`, `members` |
//! | `problem` | An error at run time: one line, and a remedy |
//! | `remote` | `[remote]`, as it is written |
//! | `server` | Tasks that run until they are ended, and when they are ready |
//! | `span` | Timed spans for profiling a build |
//! | `task` | The workspace and its tasks, fully resolved |

mod caller;
pub mod diagnostic;
pub mod event;
pub mod notice;
mod package;
pub mod path;
pub mod pattern;
pub mod problem;
pub mod remote;
pub mod server;
pub mod span;
pub mod task;

pub use caller::Caller;
pub use package::{Ecosystem, NoneAbove, Package, PackageDoubt};
pub use task::*;
