//! All tasks of a build: their order and their parallelism. Knows nothing about how a single task is done.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `build` | the build loop: one coordinating thread that owns all state |
//! | `build/ahead` | asking the remote for results of ready tasks, many at a time |
//! | `build/start` | starting a task, at once or as a job |
//! | `build/finish` | taking in the report of a finished task |
//! | `build/messages` | the messages of jobs, and waiting for the next one |
//! | `build/servers` | the servers of a build while tasks run |
//! | `pools` | what running tasks take of pools, and which waiting task may start |
//! | `ready_queue` | the choice of the task that starts next, among those that are ready |
//! | `results` | the outcome of a build: counts and journal entries |
//! | `servers` | what servers do, and their end when nothing needs them |
//! | `state` | the state of each task, and the one function that changes it |
//! | `time_left` | an estimate of the time left, from earlier durations |

mod build;
mod pools;
mod ready_queue;
pub mod results;
pub mod servers;
mod state;
mod time_left;

pub use build::{Demands, GROUPS, Threads, build};
