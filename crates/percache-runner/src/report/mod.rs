//! The history of builds, written down and read back. Knows nothing of how it is shown.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `history` | The file that remembers the last builds |
//! | `recorder` | A reporter that notes what each task did |
//! | `retrospect` | The data for `percache report` |

pub mod history;
pub mod recorder;
pub mod retrospect;
