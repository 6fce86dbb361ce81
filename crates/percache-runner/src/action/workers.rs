//! The seam to workers elsewhere: what a command needs there, and what comes of it, as data.
//!
//! Whoever implements it knows nothing of tasks. Whatever goes wrong there, apart from the command itself, is an error,
//! and the command runs here.

use std::fs::File;
use std::io;
use std::time::Duration;

use percache::Digest;
use percache::store::interface::Contents;
use percache::store::record::Node;

use crate::model::event::RemoteStage;
use crate::process::Stream;

/// Workers that execute commands. Shared by all threads of a build; a call takes as long as the command.
pub trait Workers: Send + Sync {
    /// Returns where they are, without secrets.
    fn address(&self) -> String;
    /// Returns how many commands may be executed at a time.
    fn jobs(&self) -> usize;
    /// Returns whether it is worth asking.
    fn is_usable(&self) -> bool;
    /// Executes a command, and adds the contents of its outputs to `store`. The error says why that was not possible;
    /// the user is told by whoever implements this.
    fn execute(
        &self,
        command: RemoteCommand,
        store: &dyn Contents,
        client: &dyn Client,
    ) -> Result<RemoteExecuted, String>;
}

/// A command with everything that it needs. Paths are relative to the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCommand {
    /// The name of the task, for people who look at the server.
    pub task: String,
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// The whole environment, sorted by name.
    pub environment: Vec<(String, String)>,
    /// The directory that it runs in.
    pub directory: String,
    /// What it finds.
    pub inputs: Vec<RemoteInput>,
    /// Where its outputs are, and which of them must be directories. None lies below another.
    pub outputs: Vec<(String, bool)>,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// Whether it is to be executed even if its result is known there.
    pub fresh: bool,
    /// Whether its result may be used again.
    pub cacheable: bool,
}

/// Something that a command finds: its path, and what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteInput {
    /// The path.
    pub path: String,
    /// What is there.
    pub kind: InputKind,
}

/// What lies at the path of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// A file, with the digest of its content.
    File {
        /// The digest.
        digest: Digest,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symlink, with its target.
    Symlink(String),
    /// A directory, which may be empty.
    Directory,
}

/// What a command that is executed elsewhere asks of the build.
pub trait Client: Sync {
    /// Opens an input.
    fn open(&self, path: &str) -> io::Result<File>;
    /// Returns whether what lies at this path is an output. `input`: it is an unchanged input.
    fn wants(&self, path: &str, input: bool) -> bool;
    /// Is told how far the command is.
    fn reached(&self, stage: RemoteStage);
    /// Returns whether the build was stopped.
    fn stopped(&self) -> bool;
    /// Forgets what the command wrote so far, because it was something else.
    fn restart(&self);
    /// Takes what the command wrote.
    fn wrote(&self, stream: Stream, bytes: &[u8]);
}

/// A command that has ended elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteExecuted {
    /// The exit status.
    pub status: i32,
    /// Whether it was ended because of its timeout.
    pub timed_out: bool,
    /// The outputs.
    pub outputs: Vec<(String, Node)>,
    /// How long it waited for a worker.
    pub queued: Duration,
    /// How long it ran.
    pub took: Duration,
    /// The worker, if it is named.
    pub worker: String,
    /// Whether its result was known there.
    pub cached: bool,
}
