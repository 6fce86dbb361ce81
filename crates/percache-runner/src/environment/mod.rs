//! The environment that a command runs in. Knows nothing of how commands are run.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `colours` | Variables that turn on colours in logs |
//! | `env_file` | Parser of `KEY=value` files |
//! | `unseen` | A guess at the variables that a failed command missed |
//! | `variables` | The environment of a command |

pub mod colours;
pub mod env_file;
pub mod unseen;
pub mod variables;

pub use variables::*;
