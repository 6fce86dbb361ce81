//! What a command sees of the variables around percache. Knows nothing of how commands are run.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `colours` | What a command is told of colours |
//! | `env_file` | Files of `KEY=value` lines, as `env_file` names them |
//! | `unseen` | Guesses which variables of the caller a failed command has missed |
//! | `variables` | The environment of a command |

pub mod colours;
pub mod env_file;
pub mod unseen;
pub mod variables;

pub use variables::*;
