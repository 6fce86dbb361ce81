//! What users write, as text: units, globs, depfiles. Knows nothing of files or tasks.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `braces` | The expansion of `{a,b}` in patterns |
//! | `depfile` | Make-style depfiles, as gcc, clang, rustc and wrappers of cl write them |
//! | `glob` | Wildcards within one component of a path |
//! | `line_diff` | Which lines of a text changed |
//! | `suggest` | Finds the name that was probably meant |
//! | `units` | Ages and sizes as users write them, and durations, ages and sizes as percache prints them |

pub(crate) mod braces;
pub mod depfile;
pub mod glob;
pub mod line_diff;
pub mod suggest;
pub mod units;
