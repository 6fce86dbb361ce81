//! All tasks, in order and at the same time. Knows nothing of how one task is done.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `build` | A build: the calling thread coordinates and owns every map |
//! | `ready_queue` | Which task starts next |
//! | `results` | What came of a build |
//! | `time_left` | How much longer a build will take, from how long commands took the last time |

mod build;
pub mod ready_queue;
pub mod results;
pub mod time_left;

pub use build::{Demands, build};
