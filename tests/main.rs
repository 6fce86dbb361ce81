//! The integration tests of the command `percache`: each uses the real binary in a workspace of its own.
//!
//! They know percache from the outside only: its arguments, its exit status, the last line of a build, and the files.

mod documents;
mod sandbox;

mod check;
mod completions;
mod concurrency;
mod damage;
mod display;
mod environment;
mod errors;
mod exact;
mod examples;
mod exec;
mod expansion;
mod functions;
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
mod links;
mod logs;
mod machine_readable;
mod maintenance;
mod minimal;
mod mistakes;
mod obstacles;
mod orphans;
mod power_cut;
mod racing;
mod random;
mod recall;
mod report;
mod robust;
mod scheduling;
mod schema;
mod six_cases;
mod status;
mod stress;
mod watch;
mod watch_inputs;
mod watch_loops;
mod why;
mod worktrees;
