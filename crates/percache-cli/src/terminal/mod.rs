//! The terminal: what is written to it, and how. Knows nothing of tasks and builds.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `output` | standard output and standard error, written completely |
//! | `style` | colours |
//! | `pager` | long texts, page by page |
//! | `markdown` | Markdown, wrapped to a width |

pub mod markdown;
pub mod output;
pub mod pager;
pub mod style;
