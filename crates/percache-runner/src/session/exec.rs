//! One command without a `percache.toml`: a workspace of one task, made for the occasion, and the command's last
//! result.
//!
//! Does not know where a user's caches are.

use std::io;
use std::path::{Component, Path};
use std::time::Duration;

use percache::Digest;
use percache::base::clock::Time;
use percache::store::{ReadError, Store};

use super::Project;
use crate::graph::TaskGraph;
use crate::model::Caller;
use crate::model::path::{PathError, RelPath};
use crate::model::pattern::{PatternError, PatternSet};
use crate::model::remote::{RemoteSettings, Sharing};
use crate::model::{CacheSettings, Discovery, Inputs, Origin, Task, TaskCommand, TaskId, Workspace};
use crate::process::SpooledLog;
use crate::syntax::glob::escape;
use crate::worktree::journal::Journal;

/// The command's working directory, set as a shell sets it. It is part of the fingerprint: what a command writes
/// depends on where it runs.
const PWD: &str = "PWD";

/// A command, and the user's options for it.
#[derive(Clone, Debug, Default)]
pub struct Single {
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// Patterns of its input files. They may leave the directory (`../include`) and may be absolute.
    pub inputs: Vec<String>,
    /// Patterns of its output files; the same holds for them.
    pub outputs: Vec<String>,
    /// Variables that it sees and depends on.
    pub env_from: Vec<String>,
    /// Variables that it sees but does not depend on.
    pub env_pass: Vec<String>,
    /// The age from which on a result is no longer used.
    pub valid_for: Option<Duration>,
    /// Nonzero exit statuses that count as an answer, not as a failure.
    pub answers: Vec<i32>,
}

/// What is wrong with a [`Single`].
#[derive(Debug, thiserror::Error)]
pub enum SingleError {
    /// A malformed pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A directory that cannot be represented.
    #[error(transparent)]
    Path(#[from] PathError),
    /// An input that is also an output: such a command would never be up to date.
    #[error("`{0}` is both an input and an output")]
    Both(String),
}

impl SingleError {
    /// Returns advice on what to do, if the message does not say so.
    pub fn hint(&self) -> Option<String> {
        match self {
            SingleError::Pattern(error) => error.kind.hint(),
            SingleError::Path(error) => Some(error.hint()),
            SingleError::Both(path) => Some(format!("take it away from the inputs: `-i '!{path}'` behind the others")),
        }
    }
}

/// The last result of a command.
pub struct Answer {
    /// The exit status.
    pub status: i32,
    /// Everything that the command wrote.
    pub log: SpooledLog,
    /// When the command ran.
    pub created: Time,
}

impl Single {
    /// Makes the workspace of this command, run in the absolute directory `cwd`, with its place in the store.
    ///
    /// # Errors
    /// Fails on a malformed pattern, and if an input is also an output.
    pub fn project(&self, cwd: &Path, store_dir: &Path) -> Result<Project, SingleError> {
        let workspace = self.workspace(cwd)?;
        let (graph, identity) = (TaskGraph::new(&workspace), self.identity(cwd));
        let (cwd, store_dir, single) = (RelPath::root(), store_dir.to_owned(), Some(identity));
        Ok(Project { cwd, graph, workspace, store_dir, doubt: None, single })
    }

    /// Makes a workspace whose only task is this command, run in the absolute directory `cwd`. Its root is the nearest
    /// directory at or above `cwd` that contains all inputs and outputs.
    ///
    /// # Errors
    /// Fails on a malformed pattern, and if an input is also an output.
    fn workspace(&self, cwd: &Path) -> Result<Workspace, SingleError> {
        let mut inputs: Vec<String> = self.inputs.iter().map(|pattern| seen_from(cwd, pattern)).collect();
        let outputs: Vec<String> = self.outputs.iter().map(|pattern| seen_from(cwd, pattern)).collect();
        // A program that is named by its path is most likely the user's own, and gets edited.
        if let Some(program) = self.command.first().filter(|program| program.contains('/')) {
            inputs.push(seen_from(cwd, &escape(program)));
        }
        let ups = inputs.iter().chain(&outputs).map(|pattern| leaves(pattern)).max().unwrap_or(0);
        let root = cwd.ancestors().nth(ups).unwrap_or(Path::new("/"));
        let base = cwd.strip_prefix(root).unwrap_or(Path::new(""));
        let base = RelPath::new(base.as_os_str().as_encoded_bytes())?;
        let inputs = PatternSet::parse(&base, &without(&base, inputs, &outputs)?)?;
        let outputs = PatternSet::parse(&base, &outputs)?;
        let task = self.task(base, inputs, outputs);
        Ok(Workspace {
            root: root.to_owned(),
            files: Vec::new(),
            listed: Vec::new(),
            packages: Vec::new(),
            doubts: Vec::new(),
            cache: CacheSettings::default(),
            remote: RemoteSettings::default(),
            pools: Vec::new(),
            jobserver: None,
            follow: Vec::new(),
            tasks: vec![task],
            unused: Vec::new(),
            empty: Vec::new(),
            default: vec![TaskId(0)],
        })
    }

    fn task(&self, cwd: RelPath, inputs: PatternSet, outputs: PatternSet) -> Task {
        let name = shell_words::join(&self.command);
        Task {
            template: name.clone(),
            name,
            description: None,
            dir: cwd.clone(),
            cwd,
            command: Some(TaskCommand::Argv(self.command.clone())),
            late: None,
            takes_args: false,
            external: Vec::new(),
            inputs: Inputs::patterns(inputs),
            outputs,
            discovery: Discovery::None,
            tools: Vec::new(),
            tool_shell: Vec::new(),
            env: Default::default(),
            env_from: self.env_from.iter().cloned().chain([PWD.to_owned()]).collect(),
            env_pass: self.env_pass.clone(),
            env_file: Vec::new(),
            deps: Vec::new(),
            inferred: Vec::new(),
            timeout: None,
            retries: 0,
            cache: true,
            store: true,
            remote: Sharing::No,
            valid_for: self.valid_for,
            answers: self.answers.clone(),
            apart: true,
            interactive: false,
            server: None,
            uses: Vec::new(),
            origin: Origin { file: 0, span: 0..0 },
        }
    }

    /// Returns a digest that tells this command from others in the same directory, so that each keeps its outputs
    /// whatever the others do.
    fn identity(&self, cwd: &Path) -> Digest {
        let mut bytes = cwd.as_os_str().as_encoded_bytes().to_vec();
        for list in [&self.command, &self.inputs, &self.outputs, &self.env_from] {
            bytes.push(b'\n');
            list.iter().for_each(|word| bytes.extend_from_slice(format!("{word:?} ").as_bytes()));
        }
        Digest::of(&bytes)
    }

    /// Returns the caller's variables as the command is to see them.
    pub fn caller(&self, cwd: &Path, mut caller: Caller) -> Caller {
        caller.insert(PWD.into(), cwd.into());
        caller
    }

    /// Returns the result that was just used or made; `None` if the store does not have it, or if its status does not
    /// count as an answer.
    ///
    /// # Errors
    /// Fails if the store cannot be read.
    pub fn answer(&self, store: &Store, project: &Project) -> Result<Option<Answer>, ReadError> {
        let worktree = project.worktree();
        let journal = Journal::load(&worktree.journal());
        let Some(key) = journal.tasks.values().next().and_then(|record| record.key) else { return Ok(None) };
        let Some(result) = store.result(&key)? else { return Ok(None) };
        if result.status != 0 && !self.answers.contains(&result.status) {
            return Ok(None);
        }
        let mut log = SpooledLog::new(&worktree.staging());
        store.read(&result.log, &mut Append(&mut log))?;
        Ok(Some(Answer { status: result.status, log, created: result.created }))
    }
}

/// Excludes the outputs from the input patterns: a glob over everything does not mean what the command itself makes.
fn without(base: &RelPath, mut inputs: Vec<String>, outputs: &[String]) -> Result<Vec<String>, SingleError> {
    let owned = PatternSet::parse(base, outputs)?;
    for pattern in PatternSet::parse(base, &inputs)?.patterns().iter().filter(|pattern| !pattern.negated) {
        if let Some(path) = pattern.literal().filter(|path| owned.matches(path)) {
            return Err(SingleError::Both(path.to_string()));
        }
    }
    if !inputs.is_empty() {
        inputs.extend(outputs.iter().filter(|pattern| !pattern.starts_with('!')).map(|pattern| format!("!{pattern}")));
    }
    Ok(inputs)
}

/// Rewrites a pattern as relative to `cwd`: an absolute one climbs with `..` to the common ancestor.
fn seen_from(cwd: &Path, pattern: &str) -> String {
    let (sign, text) = pattern.strip_prefix('!').map_or(("", pattern), |text| ("!", text));
    let Some(absolute) = text.strip_prefix('/') else { return pattern.to_owned() };
    let names: Vec<_> = absolute.split('/').filter(|name| !name.is_empty()).collect();
    let own: Vec<_> = cwd.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let alike = own.iter().zip(&names).take_while(|(own, name)| own.as_os_str().to_str() == Some(name)).count();
    let mut seen = vec![".."; own.len() - alike];
    seen.extend(&names[alike..]);
    format!("{sign}{}", if seen.is_empty() { ".".to_owned() } else { seen.join("/") })
}

/// Returns how many directories above its own a pattern starts.
fn leaves(pattern: &str) -> usize {
    let (mut depth, mut highest) = (0isize, 0isize);
    for part in pattern.trim_start_matches('!').split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        highest = highest.min(depth);
    }
    highest.unsigned_abs()
}

/// Adapts a log to [`io::Write`].
struct Append<'a>(&'a mut SpooledLog);

impl io::Write for Append<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn single(inputs: &[&str], outputs: &[&str]) -> Single {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Single { command: owned(&["cat"]), inputs: owned(inputs), outputs: owned(outputs), ..Single::default() }
    }

    fn root_and_cwd(single: &Single) -> (PathBuf, String) {
        let workspace = single.workspace(Path::new("/a/b/c")).unwrap();
        (workspace.root.clone(), workspace.task(TaskId(0)).cwd.to_string())
    }

    #[test]
    fn the_root_is_the_nearest_directory_that_contains_everything() {
        assert_eq!(root_and_cwd(&single(&["x/*.c"], &["y"])), ("/a/b/c".into(), ".".to_owned()));
        assert_eq!(root_and_cwd(&single(&["../x/*.c"], &["y"])), ("/a/b".into(), "c".to_owned()));
        assert_eq!(root_and_cwd(&single(&["x/../../../q"], &[])), ("/a".into(), "b/c".to_owned()));
        assert_eq!(root_and_cwd(&single(&["/a/b/c/d"], &[])), ("/a/b/c".into(), ".".to_owned()));
        assert_eq!(root_and_cwd(&single(&["/a/x"], &[])), ("/a".into(), "b/c".to_owned()));
        assert_eq!(root_and_cwd(&single(&["/etc/hosts"], &[])), ("/".into(), "a/b/c".to_owned()));
    }

    #[test]
    fn its_own_outputs_are_no_inputs() {
        let workspace = single(&["**"], &["out"]).workspace(Path::new("/a")).unwrap();
        let inputs = &workspace.tasks[0].inputs.patterns;
        assert!(inputs.matches(&RelPath::new("in").unwrap()));
        assert!(!inputs.matches(&RelPath::new("out/x").unwrap()));
        assert!(
            matches!(single(&["x"], &["*"]).workspace(Path::new("/a")), Err(SingleError::Both(path)) if path == "x")
        );
    }

    #[test]
    fn commands_are_told_apart_by_all_that_they_are_given() {
        let here = Path::new("/a");
        let all = [
            single(&[], &[]),
            single(&["x"], &[]),
            single(&[], &["x"]),
            single(&["x", "y"], &[]),
            single(&["x y"], &[]),
        ];
        let identities: std::collections::HashSet<_> = all.iter().map(|single| single.identity(here)).collect();
        assert_eq!(identities.len(), all.len());
        assert_ne!(all[0].identity(here), all[0].identity(Path::new("/b")));
    }
}
