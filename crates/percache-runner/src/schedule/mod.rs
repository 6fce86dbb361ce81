//! All tasks of a build: their order and their parallelism. Knows nothing about how a single task is done.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `build` | the build loop: one coordinating thread that owns all state |
//! | `ready_queue` | the choice of the task that starts next |
//! | `results` | the outcome of a build |
//! | `time_left` | an estimate of the time left, from earlier durations |

mod build;
pub mod ready_queue;
pub mod results;
pub mod time_left;

pub use build::{Demands, build};
