//! One task, from start to finish. Knows nothing about the order of tasks.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `accept` | what lies in the tree as the result of a task, without a run |
//! | `added_to` | files that a command only appended to |
//! | `ahead` | asking a remote for results of tasks whose turn has not come, for many together |
//! | `away` | executing a command on a worker elsewhere, or coming back |
//! | `basis` | the paths that a task's outcome rests on |
//! | `before` | what lies at the places of outputs before a command runs |
//! | `budget` | the make jobserver that commands share |
//! | `capture` | from the outputs of a command to a manifest |
//! | `changes` | the difference between two fingerprints, part by part |
//! | `check` | a second run, compared with the stored result |
//! | `claim` | the lock that keeps two processes from running one action |
//! | `command` | the paths in a command that are known only when it runs |
//! | `context` | the state that all jobs of a build share |
//! | `directories` | directories that percache made for outputs |
//! | `discover` | from a finished run to the inputs that it discovered |
//! | `done` | the report of a finished task |
//! | `executor` | the seam between a task and the place where its command runs |
//! | `explain` | the reason why a task runs |
//! | `further` | declared inputs that are parts of files, or outside of the workspace |
//! | `identity` | what a stored result is the result of |
//! | `input_root` | what a command finds that is executed elsewhere |
//! | `input_links` | symlinks among the inputs |
//! | `inputs` | the fingerprint of a task, from its inputs and environment |
//! | `job` | the steps of one task, from fingerprint to record |
//! | `left_alone` | files that a run made, and files that it left untouched |
//! | `local` | the executor of this machine, with attempts and job slots |
//! | `logs` | logs of stored results |
//! | `lookup` | from a fingerprint to a stored result |
//! | `output_diff` | the differences between a run's outputs and a stored result |
//! | `places` | output directories, and symlinks in their place |
//! | `put_back` | making the tree match a result |
//! | `recall` | restoring outputs by the journal alone |
//! | `recheck` | inputs that changed during the run |
//! | `remote` | the seam to a second place for results that others share |
//! | `record` | storing the result of a run |
//! | `remembered` | the inputs of a task's last result |
//! | `restore` | from an output manifest to files in the tree |
//! | `run_command` | one run of a command, from its start to a report |
//! | `search` | the workspace's own path in outputs |
//! | `serve` | servers as jobs see them: started when a command needs them |
//! | `servers` | the servers that run |
//! | `shared_log` | the live output of a command, for other processes |
//! | `slots` | a number of slots that threads wait for |
//! | `spoils` | undeclared files that a failed run wrote |
//! | `tied` | results that only another directory can use |
//! | `undeclared` | the file that a command missed elsewhere, as its log shows |
//! | `workers` | the seam to workers elsewhere |

pub mod accept;
pub mod added_to;
pub mod ahead;
pub mod away;
pub mod basis;
pub mod before;
pub mod budget;
pub mod capture;
pub mod changes;
pub mod check;
pub mod claim;
pub mod command;
pub mod context;
pub mod directories;
pub mod discover;
pub mod done;
pub mod executor;
pub mod explain;
pub mod further;
pub mod identity;
pub mod input_links;
pub mod input_root;
pub mod inputs;
pub mod job;
pub mod leave;
pub mod left_alone;
pub mod local;
pub mod logs;
pub mod lookup;
pub mod output_diff;
pub mod places;
pub mod put_back;
pub mod recall;
pub mod recheck;
pub mod record;
pub mod remembered;
pub mod remote;
pub mod restore;
pub mod run_command;
pub mod search;
pub mod serve;
pub mod servers;
pub mod shared_log;
pub mod slots;
pub mod spoils;
pub mod tied;
pub mod undeclared;
pub mod workers;
