//! One task, from start to finish. Knows nothing of the order of tasks.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `added_to` | Tells a file that a command has added to from one that it has written anew |
//! | `basis` | The basis of a task's outcome |
//! | `budget` | The budget of parallel work, shared with the commands |
//! | `capture` | Capture |
//! | `changes` | What differs between two lists of parts |
//! | `check` | Check |
//! | `claim` | Claims |
//! | `context` | What all jobs of a build share, and nothing that only one of them needs |
//! | `directories` | Directories that percache made so that outputs could lie in them |
//! | `execute` | Execute |
//! | `explain` | Why a task runs |
//! | `input_links` | Symlinks among the inputs |
//! | `inputs` | The fingerprint of a task |
//! | `job` | One task from start to finish |
//! | `left_alone` | What a run made, and what it left alone |
//! | `logs` | Logs of stored results, read back |
//! | `lookup` | Lookup |
//! | `output_diff` | In which of its outputs a run came out otherwise than a stored result says, and where each begins to differ |
//! | `places` | Places of outputs |
//! | `put_back` | Putting back |
//! | `recall` | Recall |
//! | `recheck` | After a run |
//! | `record` | Record |
//! | `remembered` | What the last run of a task here depended on |
//! | `restore` | Restore |
//! | `shared_log` | What a command writes, for other processes that wait for its result |
//! | `spoils` | What a run that did not succeed has left elsewhere |
//! | `tied` | Results that fit and cannot be used, because their outputs contain the path of another directory |

pub mod added_to;
pub mod basis;
pub mod budget;
pub mod capture;
pub mod changes;
pub mod check;
pub mod claim;
pub mod context;
pub mod directories;
pub mod execute;
pub mod explain;
pub mod input_links;
pub mod inputs;
pub mod job;
pub mod left_alone;
pub mod logs;
pub mod lookup;
pub mod output_diff;
pub mod places;
pub mod put_back;
pub mod recall;
pub mod recheck;
pub mod record;
pub mod remembered;
pub mod restore;
pub mod shared_log;
pub mod spoils;
pub mod tied;
