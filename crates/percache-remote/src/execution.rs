//! Executing commands on workers of a server of the Remote Execution API.
//!
//! A command goes there with everything that it needs: what the server lacks of it is uploaded, the action is executed,
//! and what it left is fetched, checked, and added to the local contents. Everything that can go wrong with that, apart
//! from the command itself, is a [`Fault`], and whoever called runs the command here.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `command` | what is to be executed, as messages |
//! | `input_root` | what the command finds, as a Merkle tree |
//! | `live` | what was streamed of what a command writes |
//! | `nested` | commands whose outputs may lie anywhere |
//! | `outcome` | what a server says of a finished action |
//! | `transfer` | contents on their way there and back |

mod command;
mod input_root;
mod live;
mod nested;
mod outcome;
mod transfer;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use percache::store::interface::Contents;
use percache::store::record::Node as StoredNode;

pub use command::{Command, Input, InputKind, OutputPath};
use live::Live;
use outcome::{Node, Outputs};
use transfer::Parcel;

use crate::connection::{Connection, Notice};
use crate::digest::Blob;
use crate::fault::{Fault, FaultKind};
use crate::invocation::{for_its_action, for_task};
use crate::reapi::v2;
use crate::service::reapi::blob;
use crate::service::reapi::execute::{Answer, Ask};
use crate::service::{About, Service};
use crate::settings::ExecutionSettings;

pub use crate::service::reapi::execute::Stage;

/// The tree of one output directory is never larger.
const TREE: u64 = 256 << 20;

/// What the caller has for a command that is executed.
pub trait Caller: Sync {
    /// Opens an input.
    fn open(&self, path: &str) -> io::Result<Box<dyn Read>>;
    /// Returns whether what lies at the path of an output is one. `input`: it is an input of the command, unchanged.
    fn wants(&self, path: &str, input: bool) -> bool;
    /// Is told how far it is.
    fn reached(&self, stage: Stage);
    /// Returns whether the build was stopped.
    fn stopped(&self) -> bool;
    /// Forgets what the command wrote so far: what was streamed is not what it wrote.
    fn restart(&self);
    /// Takes what the command wrote, to stderr or to stdout.
    fn wrote(&self, stderr: bool, bytes: &[u8]);
}

/// A command that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Its exit status.
    pub status: i32,
    /// Whether the server ended it because of its timeout.
    pub timed_out: bool,
    /// Its outputs, with contents that are there; sorted by path.
    pub outputs: Vec<(String, StoredNode)>,
    /// How long it waited for a worker.
    pub queued: Duration,
    /// How long it ran.
    pub took: Duration,
    /// The worker, if the server names it.
    pub worker: String,
    /// Whether the server had its result already.
    pub cached: bool,
}

/// A server that executes commands. Connects when the first one is to be executed.
pub struct Execution {
    connection: Connection,
    platform: Vec<(String, String)>,
    jobs: usize,
    /// The remote names of inputs, by their local ones.
    names: Mutex<HashMap<percache::Digest, Blob>>,
    /// What the server is known to have.
    there: Mutex<HashSet<Blob>>,
    said: AtomicBool,
}

impl Execution {
    /// Makes ready; connects to nothing.
    pub fn new(settings: ExecutionSettings) -> Execution {
        let ExecutionSettings { server, platform, jobs } = settings;
        Execution {
            connection: Connection::new(server),
            platform,
            jobs,
            names: Mutex::default(),
            there: Mutex::default(),
            said: AtomicBool::new(false),
        }
    }

    /// Returns where it is, without secrets.
    pub fn address(&self) -> String {
        self.connection.settings.address.to_string()
    }

    /// Returns how many commands may be executed at a time.
    pub fn jobs(&self) -> usize {
        self.jobs
    }

    /// Returns the properties that workers must have.
    pub fn platform(&self) -> &[(String, String)] {
        &self.platform
    }

    /// Returns whether it is worth asking.
    pub fn is_usable(&self) -> bool {
        !self.connection.is_given_up()
    }

    /// Takes what the user is to be told.
    pub fn take_notices(&self) -> Vec<Notice> {
        self.connection.take_notices()
    }

    /// Makes the first contact. Returns what the server says of itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn contact(&self) -> Result<About, Fault> {
        self.connection.call(async |service| service.contact().await)
    }

    /// Executes a command. The user is told of the first fault.
    ///
    /// # Errors
    /// Why it was not executed, or what it left cannot be had. The command is as good as not run.
    pub fn execute(&self, command: &Command, local: &dyn Contents, caller: &dyn Caller) -> Result<Executed, Fault> {
        let executed = for_task(&command.task, || match nested::nested(command) {
            Some(nested) => self.try_execute(&nested, local, &nested::Outer(caller)).map(nested::unnested),
            None => self.try_execute(command, local, caller),
        });
        if let Err(fault) = &executed
            && !caller.stopped()
            && !self.connection.is_given_up()
            && !self.said.swap(true, Ordering::Relaxed)
        {
            self.connection.note(Notice::NotExecuted { address: self.address(), reason: fault.message.clone() });
        }
        executed
    }

    fn try_execute(&self, command: &Command, local: &dyn Contents, caller: &dyn Caller) -> Result<Executed, Fault> {
        if !self.connection.call(async |service| reapi(service)?.executes().await)? {
            let fault = Fault::new(FaultKind::Unreachable, "the server executes nothing (exec_enabled = false)");
            self.connection.give_up(&fault);
            return Err(fault);
        }
        let began = Instant::now();
        let inputs = self.name_inputs(command, caller)?;
        let root = input_root::of(command, &inputs)?;
        let mut parcel = Parcel { messages: BTreeMap::new(), files: BTreeMap::new() };
        for input in &command.inputs {
            parcel.files.extend(inputs.get(&*input.path).map(|(blob, _)| (*blob, &*input.path)));
        }
        let root = root.encode(&mut parcel.messages);
        let action = command::encode(command, &root, &self.platform, &mut parcel.messages);
        let sent = (command, &action, &parcel, &inputs);
        for_its_action(&action.action.digest.to_string(), || self.execute_action(sent, began, local, caller))
    }

    fn execute_action(
        &self,
        (command, action, parcel, inputs): (&Command, &command::Messages, &Parcel<'_>, &Inputs<'_>),
        began: Instant,
        local: &dyn Contents,
        caller: &dyn Caller,
    ) -> Result<Executed, Fault> {
        self.upload(parcel, caller)?;
        let (mut fresh, live) = (command.fresh, Live::default());
        let (result, timed_out, cached, outputs) = loop {
            let (result, timed_out, cached) = self.answer(command, fresh, (&action.action, parcel), &live, caller)?;
            let taken = outcome::outputs(&result, &action.base).and_then(|(outputs, trees)| {
                let outputs = self.outputs(outputs, &trees, inputs, local, caller)?;
                self.log(&result, &live, caller)?;
                Ok(outputs)
            });
            match taken {
                // The server has kept the result, and lost what belongs to it.
                Err(fault) if cached && matches!(fault.kind, FaultKind::Missing | FaultKind::Damaged) => fresh = true,
                taken => break (result, timed_out, cached, taken?),
            }
        };
        let timing = outcome::timing(result.execution_metadata.as_ref());
        Ok(Executed {
            status: result.exit_code,
            timed_out,
            outputs,
            queued: timing.queued,
            took: timing.took.unwrap_or_else(|| began.elapsed()),
            worker: timing.worker,
            cached,
        })
    }

    /// Returns the remote name of every file among the inputs, and whether it is executable.
    fn name_inputs<'c>(&self, command: &'c Command, caller: &dyn Caller) -> Result<Inputs<'c>, Fault> {
        let mut inputs = Inputs::new();
        for input in &command.inputs {
            let InputKind::File { digest, executable } = &input.kind else { continue };
            let known = lock(&self.names).get(digest).copied();
            let blob = match known {
                Some(blob) => blob,
                None => {
                    let blob = transfer::name(&input.path, digest, caller)?;
                    lock(&self.names).insert(*digest, blob);
                    blob
                }
            };
            inputs.insert(&input.path, (blob, *executable));
        }
        Ok(inputs)
    }

    /// Uploads what the server lacks of a parcel.
    fn upload(&self, parcel: &Parcel<'_>, caller: &dyn Caller) -> Result<(), Fault> {
        let unknown: Vec<Blob> = {
            let there = lock(&self.there);
            parcel.names().into_iter().filter(|blob| blob.length > 0 && !there.contains(blob)).collect()
        };
        transfer::upload(&self.connection, &unknown, parcel, caller)?;
        lock(&self.there).extend(unknown);
        Ok(())
    }

    /// Executes the action, and returns its result, whether the server ended it, and whether the server had it.
    fn answer(
        &self,
        command: &Command,
        mut fresh: bool,
        (action, parcel): (&Blob, &Parcel<'_>),
        live: &Live,
        caller: &dyn Caller,
    ) -> Result<(v2::ActionResult, bool, bool), Fault> {
        let mut uploaded = false;
        loop {
            match self.ask(action, fresh, command.timeout, live, caller)? {
                // Some servers keep what has failed, and would say the same for ever.
                Answer::Ended { result, cached: true } if result.exit_code != 0 && !fresh => fresh = true,
                // One that says so although nothing cached was wanted has executed it anew, for all that is known.
                Answer::Ended { result, cached } => return Ok((*result, false, cached && !fresh)),
                Answer::TimedOut(result) => return Ok((*result, true, false)),
                // What was there has been dropped meanwhile.
                Answer::Missing(named) if !uploaded => {
                    log::debug!("execution: the server lacks {} blobs", named.len());
                    uploaded = true;
                    let names: HashSet<Blob> = parcel.names().into_iter().collect();
                    lock(&self.there).retain(|blob| !names.contains(blob));
                    self.upload(parcel, caller)?;
                }
                Answer::Missing(named) => {
                    let named: Vec<_> = named.iter().take(1).map(|blob| format!(": {}", blob.digest)).collect();
                    let message = format!("Execute: the server lacks what was uploaded{}", named.concat());
                    return Err(Fault::new(FaultKind::Missing, message));
                }
            }
        }
    }

    fn ask(
        &self,
        action: &Blob,
        fresh: bool,
        timeout: Option<Duration>,
        live: &Live,
        caller: &dyn Caller,
    ) -> Result<Answer, Fault> {
        let name = Mutex::new(None);
        caller.reached(Stage::Asked);
        let told = |stage| caller.reached(stage);
        let wrote = |stderr, bytes: &[u8]| {
            live.add(stderr, bytes);
            caller.wrote(stderr, bytes);
        };
        let ask = Ask { action: *action, fresh, timeout, told: &told, wrote: &wrote, name: &name };
        self.connection.wait(
            &|| caller.stopped(),
            async |service| reapi(service)?.execute(&ask).await,
            async |service| {
                let name = lock(&name).clone();
                if let (Some(name), Ok(server)) = (name, reapi(service)) {
                    server.cancel(&name).await;
                }
            },
        )
    }

    /// Fetches the outputs that the caller wants.
    fn outputs(
        &self,
        mut outputs: Outputs,
        trees: &[(String, Blob)],
        inputs: &Inputs<'_>,
        local: &dyn Contents,
        caller: &dyn Caller,
    ) -> Result<Vec<(String, StoredNode)>, Fault> {
        for (path, tree) in trees {
            if tree.length > TREE {
                return Err(Fault::new(FaultKind::Damaged, format!("the tree of `{path}` is larger than it can be")));
            }
            let bytes = transfer::fetch_whole(&self.connection, tree)?;
            outcome::add_tree(&mut outputs, path, &bytes)?;
        }
        outputs.retain(|path, node| {
            let same = match node {
                Node::File { blob, executable } => inputs.get(&path[..]) == Some(&(*blob, *executable)),
                Node::Symlink(_) | Node::Directory => false,
            };
            caller.wants(path, same)
        });
        let blobs: HashSet<Blob> = outputs
            .values()
            .filter_map(|node| match node {
                Node::File { blob, .. } => Some(*blob),
                Node::Symlink(_) | Node::Directory => None,
            })
            .collect();
        let contents = transfer::fetch(&self.connection, blobs, local)?;
        let stored = |(path, node)| {
            let node = match node {
                Node::File { blob, executable } => {
                    let content = contents.get(&blob).copied().ok_or_else(|| transfer::lacks(&blob))?;
                    StoredNode::File { content, executable }
                }
                Node::Symlink(target) => StoredNode::Symlink(target.into_bytes()),
                Node::Directory => StoredNode::Directory,
            };
            Ok((path, node))
        };
        outputs.into_iter().map(stored).collect()
    }

    /// Hands over what the command wrote, unless that was streamed while it ran.
    fn log(&self, result: &v2::ActionResult, live: &Live, caller: &dyn Caller) -> Result<(), Fault> {
        let written = |raw: &[u8], digest: &Option<v2::Digest>| match digest.as_ref().and_then(blob) {
            Some(blob) if raw.is_empty() => blob,
            _ => Blob::of(raw),
        };
        let out = written(&result.stdout_raw, &result.stdout_digest);
        let err = written(&result.stderr_raw, &result.stderr_digest);
        if live.is(&out, &err) {
            return Ok(());
        }
        if !live.is_silent() {
            caller.restart();
        }
        for (stderr, raw, blob) in [(false, &result.stdout_raw, out), (true, &result.stderr_raw, err)] {
            match raw.is_empty() {
                true => transfer::fetch_into(&self.connection, &blob, &mut |bytes| caller.wrote(stderr, bytes))?,
                false => caller.wrote(stderr, raw),
            }
        }
        Ok(())
    }
}

type Inputs<'c> = HashMap<&'c str, (Blob, bool)>;

fn reapi(service: &Service) -> Result<&crate::service::reapi::Reapi, Fault> {
    match service {
        Service::Reapi(server) => Ok(server),
        Service::Bucket(_) => Err(Fault::new(FaultKind::Unreachable, "an object store executes nothing")),
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
