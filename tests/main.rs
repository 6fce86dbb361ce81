//! The integration tests of the command `percache`: each uses the real binary in a workspace of its own.
//!
//! They know percache from the outside only: its arguments, its exit status, the last line of a build, and the files.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and says why"
)]

mod documents;
mod sandbox;

mod accept;
mod affected;
mod always;
mod archive;
mod background;
mod build_files;
mod causes;
mod check;
mod clean;
mod compdb;
mod completions;
mod concurrency;
mod damage;
mod displaced;
mod display;
mod environment;
mod errors;
mod exact;
mod examples;
mod exec;
mod execution;
mod expansion;
mod failures;
mod filter;
mod forms;
mod functions;
mod git;
mod graph;
mod guides;
mod help;
mod honest;
mod hostile;
mod init;
mod inputs;
mod inspection;
mod interruption;
mod kill_points;
mod limits;
mod linked_outputs;
mod links;
mod listing;
mod lists;
mod logs;
mod machine_readable;
mod maintenance;
mod minimal;
mod mistakes;
mod nested;
mod not_kept;
mod obstacles;
mod orphans;
mod output;
mod ownership;
mod packages;
mod parts;
mod portable;
mod power_cut;
mod private;
mod racing;
mod random;
mod recall;
mod remote;
mod remote_bars;
mod remote_judged;
mod remote_origin;
mod remote_servers;
mod remote_tls;
mod remote_wanted;
mod report;
mod robust;
mod scheduling;
mod schema;
mod servers;
mod six_cases;
mod status;
mod stress;
mod symlinks;
mod templates;
mod tidy;
mod unmatched;
mod watch;
mod watch_inputs;
mod watch_loops;
mod why;
mod worktrees;
