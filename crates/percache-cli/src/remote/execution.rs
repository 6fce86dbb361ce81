//! Workers of a server that execute commands: from `[remote.execution]`, variables and options to what a build asks of
//! them.

use std::fs::File;
use std::io::{self, Read};

use percache::store::interface::Contents;
use percache_remote::execution::{Caller, Command, Execution, Input, InputKind as Kind, OutputPath, Stage};
use percache_remote::{ExecutionSettings, ExecutionTable, Notice, Settings};
use percache_runner::events::{RemoteStage, Stream};
use percache_runner::execution::{Client, InputKind, RemoteCommand, RemoteExecuted, RemoteInput, Workers};
use percache_runner::tasks::Workspace;

use super::advice::check;
use super::finish::tell;
use super::wrong;
use crate::args::RemoteOptions;
use crate::error::CliError;
use crate::terminal::style::Paint;

/// A server that executes commands.
pub struct Farm(Execution);

/// Returns what is known about the server that executes commands of a workspace. `None` if there is none, or if it is not
/// to be used. `remote`: where results are shared.
pub fn settings(
    workspace: &Workspace,
    options: &RemoteOptions,
    remote: Option<&Settings>,
) -> Result<Option<ExecutionSettings>, CliError> {
    if options.no_remote {
        return Ok(None);
    }
    let written = workspace.remote.execution.clone();
    let table = ExecutionTable {
        url: written.url,
        instance: written.instance,
        platform: written.platform,
        jobs: written.jobs,
        headers: written.headers,
        ca: written.ca,
        cert: written.cert,
        key: written.key,
    };
    let variable = |name: &str| std::env::var(name).ok();
    ExecutionSettings::resolve(&table, remote, &workspace.root, &variable).map_err(wrong)
}

impl Farm {
    /// Makes ready. Connects to nothing.
    pub fn new(settings: ExecutionSettings) -> Farm {
        Farm(Execution::new(settings))
    }

    /// Tells what the user should know.
    pub fn finish(&self, paint: Paint) {
        self.0.take_notices().into_iter().for_each(|notice| tell(worded(notice), paint));
    }
}

/// Words a notice: what happened, and what to do about it.
fn worded(notice: Notice) -> (String, String) {
    let (message, hint) = match notice {
        Notice::NotExecuted { address, reason } => (
            format!("not every command could be executed at {address}: {reason}"),
            "these ran here instead; `percache remote check` tries the server",
        ),
        Notice::GivenUp { address, kind, reason } => {
            let check = check(kind, "[remote.execution]");
            let hint = format!(
                "they ran here instead; {check}; `percache remote check` tries the server, and `--no-remote` does without it"
            );
            return (format!("no more commands are executed at {address} in this run: {reason}"), hint);
        }
        Notice::ReadOnly { address, reason } => {
            (format!("{address} takes nothing: {reason}"), "the credentials have to allow that inputs are uploaded")
        }
        Notice::Refused { what, reason } => (format!("{what} is not used: {reason}"), "the command ran here instead"),
    };
    (message, hint.to_owned())
}

impl Workers for Farm {
    fn address(&self) -> String {
        self.0.address()
    }

    fn jobs(&self) -> usize {
        self.0.jobs()
    }

    fn is_usable(&self) -> bool {
        self.0.is_usable()
    }

    fn execute(
        &self,
        command: RemoteCommand,
        store: &dyn Contents,
        client: &dyn Client,
    ) -> Result<RemoteExecuted, String> {
        let RemoteCommand { task, arguments, environment, directory, inputs, outputs, timeout, fresh, cacheable } =
            command;
        let outputs = outputs.into_iter().map(|(path, directory)| OutputPath { path, directory }).collect();
        let inputs = inputs.into_iter().map(input).collect();
        let command = Command { task, arguments, environment, directory, inputs, outputs, timeout, fresh, cacheable };
        let executed = self.0.execute(&command, store, &Asking(client)).map_err(|fault| fault.message)?;
        Ok(RemoteExecuted {
            status: executed.status,
            timed_out: executed.timed_out,
            outputs: executed.outputs,
            queued: executed.queued,
            took: executed.took,
            worker: executed.worker,
            cached: executed.cached,
        })
    }
}

fn input(RemoteInput { path, kind }: RemoteInput) -> Input {
    let kind = match kind {
        InputKind::File { digest, executable } => Kind::File { digest, executable },
        InputKind::Symlink(target) => Kind::Symlink(target),
        InputKind::Directory => Kind::Directory,
    };
    Input { path, kind }
}

/// What the crate that connects asks of a build.
struct Asking<'a>(&'a dyn Client);

impl Caller for Asking<'_> {
    fn open(&self, path: &str) -> io::Result<Box<dyn Read>> {
        self.0.open(path).map(|file: File| Box::new(file) as Box<dyn Read>)
    }

    fn wants(&self, path: &str, input: bool) -> bool {
        self.0.wants(path, input)
    }

    fn reached(&self, stage: Stage) {
        self.0.reached(match stage {
            Stage::Asked => RemoteStage::Asked,
            Stage::Queued => RemoteStage::Queued,
            Stage::Executing => RemoteStage::Running,
        });
    }

    fn stopped(&self) -> bool {
        self.0.stopped()
    }

    fn restart(&self) {
        self.0.restart();
    }

    fn wrote(&self, stderr: bool, bytes: &[u8]) {
        self.0.wrote(if stderr { Stream::Err } else { Stream::Out }, bytes);
    }
}

/// Connects to the server that executes commands, and returns what it says of itself.
pub fn contact(settings: ExecutionSettings) -> Result<Vec<(&'static str, String)>, CliError> {
    let farm = Farm::new(settings);
    let about = farm.0.contact().map_err(|fault| {
        let hint = check(fault.kind, "[remote.execution]");
        CliError::failure(format!("the server of [remote.execution] cannot be used: {fault}")).hint(Some(&hint))
    })?;
    let executes = about.facts.iter().find(|(name, _)| *name == "executes").map(|(_, is)| is.clone());
    let platform: Vec<_> = farm.0.platform().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut facts = vec![
        ("execution", farm.0.address()),
        ("executes", executes.unwrap_or_default()),
        ("remote jobs", farm.0.jobs().to_string()),
    ];
    facts.extend(Some(("platform", platform.join(", "))).filter(|_| !platform.is_empty()));
    Ok(facts)
}
