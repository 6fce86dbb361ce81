//! What a build tells besides the outcomes of tasks: warnings and notes, as data.
//!
//! Knows nothing of how they are worded; the command line has one file for that.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::model::path::RelPath;
use crate::model::{NoneAbove, PackageDoubt};

/// Something that the user should know, and can do something about.
#[derive(Clone, Debug)]
pub enum Warning {
    /// A declared input does not exist. It is most likely misspelt, but the command may do without it.
    MissingInput {
        /// The task.
        task: String,
        /// The input.
        path: RelPath,
        /// The configuration file whose directory the path is relative to, if the command runs in another directory.
        relative_to: Option<RelPath>,
    },
    /// A part of a file that is a declared input does not exist, or the file does not.
    MissingPart {
        /// The task.
        task: String,
        /// The file.
        path: RelPath,
        /// The key of the part.
        key: String,
        /// The first name in the key that the file does not have; `None` if there is no such file.
        missing: Option<String>,
        /// The name that was probably meant.
        meant: Option<String>,
    },
    /// A file that `external` names does not exist.
    MissingExternal {
        /// The task.
        task: String,
        /// The file, as declared.
        path: String,
    },
    /// The result of a task is not stored.
    NotStored {
        /// The task.
        task: String,
        /// The reason.
        why: NotStored,
    },
    /// A task was not checked, because an input changed while it ran.
    NotChecked {
        /// The task.
        task: String,
        /// The change, as `why` words it.
        changed: String,
    },
    /// A check failed: the command succeeded before, with the same inputs. Its stored result is set aside.
    Refuted {
        /// The task.
        task: String,
    },
    /// A command failed on a worker elsewhere, where it had its declared inputs and nothing else.
    FailedElsewhere {
        /// The task.
        task: String,
        /// The file that its log says is missing.
        missing: Option<String>,
        /// Whether that file is here, and no declared input.
        here: bool,
    },
    /// A failed task wrote files that git ignores and no task declares. They may spoil its next result.
    Spoiled {
        /// The task.
        task: String,
        /// The files; never empty.
        files: Vec<RelPath>,
    },
    /// Outputs that no task makes any more cannot be removed.
    Stuck {
        /// One of them.
        path: RelPath,
        /// How many more there are.
        more: usize,
        /// Why the one cannot be removed.
        error: Arc<io::Error>,
    },
    /// The store cannot be used.
    Store {
        /// What does not work.
        trouble: StoreTrouble,
        /// The store's directory.
        dir: PathBuf,
        /// Whether a single command runs, not a build.
        single: bool,
    },
    /// More displaced files are kept than the store may have of anything.
    ManyDisplaced {
        /// How many.
        files: usize,
        /// Their size.
        bytes: u64,
    },
}

/// A reason why the result of a successful run is not stored.
#[derive(Clone, Debug)]
pub enum NotStored {
    /// Its log cannot be kept: the system's message.
    Log(String),
    /// An input changed while it ran.
    Changed {
        /// The change, as `why` words it.
        changed: String,
        /// If the input is an output of a dependency, what excludes it there.
        from: Option<Exclusion>,
    },
    /// Its depfile names a path that does not exist.
    NotThere(Vec<u8>),
    /// These files were among its outputs before, and the command left them alone: it is unknown who made them.
    UnknownOrigin(Vec<RelPath>),
    /// The file was there before, and the command added to it.
    AddedTo(RelPath),
}

/// A pattern that takes something out of the outputs of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// The task.
    pub task: String,
    /// The pattern, as its `outputs` would have it.
    pub pattern: String,
}

/// What does not work about the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreTrouble {
    /// The database or its directory: the error's message.
    Database(String),
    /// The worktree's journal cannot be written.
    Journal(String),
    /// It cannot be noted what a build is about to write.
    Intents(String),
    /// Unstable tasks cannot be noted.
    Unstable(String),
}

/// Something that happened apart from the tasks, for information.
#[derive(Clone, Debug)]
pub enum Note {
    /// Only this many jobs run at a time, because more do not fit into the files that may be open.
    FewerJobs(usize),
    /// These tools were not run; their last answers are assumed to be unchanged.
    NotAsked(Vec<String>),
    /// This many processes were ended that a killed build had left running.
    EndedOrphans(usize),
    /// Outputs that no task makes any more were removed.
    Removed(Vec<RelPath>),
    /// Outputs that no task makes any more were kept.
    Kept(Vec<RelPath>, WhyKept),
    /// Displaced files were removed because they were too old.
    ExpiredDisplaced {
        /// How many.
        files: usize,
        /// Their size.
        bytes: u64,
        /// The age from which on they are removed.
        age: Duration,
    },
    /// No task extends this template.
    UnusedTemplate {
        /// Its name.
        name: String,
        /// The place where it is stated: `percache.toml:14`.
        place: String,
    },
    /// A name that was asked for means no task, because no package that this one depends on has such a task.
    NoneAbove(NoneAbove),
    /// Something about the packages of the workspace is most likely a slip.
    Packages(PackageDoubt),
    /// A pattern matches nothing, which may be intended or a slip.
    Unmatched {
        /// The task.
        task: String,
        /// Whether the pattern is one of `outputs`; else of `inputs`.
        output: bool,
        /// The pattern.
        pattern: String,
    },
}

/// A reason why an output that no task makes any more is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyKept {
    /// Somebody has edited it.
    Edited,
    /// It is a source now.
    Source,
    /// git tracks it.
    Tracked,
}
