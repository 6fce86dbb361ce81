//! The small languages that users write, as text: globs, depfiles, units. Knows nothing of files or tasks.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `braces` | Brace expansion in patterns: `{a,b}` |
//! | `data` | Parts of JSON, TOML and YAML files |
//! | `depfile` | Parser of make-style depfiles |
//! | `glob` | Wildcards within one path component |
//! | `go_mod` | The directives of go.mod and go.work |
//! | `line_diff` | Line-by-line difference of two texts |
//! | `name_globs` | Globs over names of variables |
//! | `npm_range` | Ranges of versions as npm writes them |
//! | `python_name` | Spellings of the names of Python packages |
//! | `shown` | Paths escaped for messages, and back |
//! | `suggest` | "Did you mean": the nearest name |
//! | `units` | Durations, ages and sizes, parsed and formatted |

pub(crate) mod braces;
pub mod data;
pub mod depfile;
pub mod glob;
pub mod go_mod;
pub mod line_diff;
pub mod name_globs;
pub mod npm_range;
pub mod python_name;
pub mod shown;
pub mod suggest;
pub mod units;
