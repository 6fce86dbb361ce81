//! Tasks as they are meant, what happens in a build, what is wrong. Data without behaviour. Knows nothing of the file system or the store.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `caller` | The variables of whoever calls percache |
//! | `diagnostic` | A mistake in a configuration file, as data |
//! | `event` | What happens during a build, as data |
//! | `path` | Paths inside the workspace |
//! | `pattern` | Patterns over the paths of the workspace, as `inputs`, `outputs`, `foreach` and `members` state them |
//! | `problem` | Something that went wrong while tasks run, in the user's terms |
//! | `span` | What a build spends its time on |
//! | `task` | Tasks as meant |

mod caller;
pub mod diagnostic;
pub mod event;
pub mod path;
pub mod pattern;
pub mod problem;
pub mod span;
pub mod task;

pub use caller::Caller;
pub use task::*;
