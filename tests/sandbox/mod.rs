//! A temporary workspace in which the real binary runs, cut off from the user's own files and settings.
//!
//! Commands in a configuration report themselves: `@ran(NAME)` in it stands for a shell command that appends NAME to a file outside of the
//! workspace. What ran is therefore counted without taking percache's word for it.

mod background;
mod chance;
mod run;
pub mod sharing;
mod terminal;
mod tree;

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

pub use background::{Background, Ended};
pub use chance::{Chance, number};
pub use run::Run;
pub use terminal::Terminal;
pub use tree::{Node, Tree, snapshot};

/// The binary under test.
pub const PERCACHE: &str = env!("CARGO_BIN_EXE_percache");

pub struct Sandbox {
    /// Removes everything on drop.
    _temp: TempDir,
    root: PathBuf,
    /// How much of the tally has been reported by an earlier [`Run`].
    reported: Cell<usize>,
}

impl Sandbox {
    /// A workspace with this `percache.toml`.
    pub fn new(config: &str) -> Sandbox {
        let sandbox = Sandbox::empty();
        sandbox.config(config);
        sandbox
    }

    /// A directory without any file.
    pub fn empty() -> Sandbox {
        let temp = tempfile::Builder::new().prefix("percache-test-").tempdir().expect("a temporary directory");
        let base = temp.path().canonicalize().expect("an existing directory");
        for directory in ["ws", "home", "tmp"] {
            fs::create_dir(base.join(directory)).expect("a fresh directory");
        }
        Sandbox { _temp: temp, root: base.join("ws"), reported: Cell::new(0) }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A place outside of the workspace.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.root.with_file_name(name)
    }

    /// Gives the workspace another name.
    pub fn move_to(&mut self, name: &str) {
        let to = self.outside(name);
        fs::rename(&self.root, &to).expect("renaming the workspace");
        self.root = to;
    }

    /// Copies the workspace with all that is in it, and goes on in the copy.
    pub fn copy_to(&mut self, name: &str) {
        self.shell(&format!("cp -a . ../{name}"));
        self.root = self.outside(name);
    }

    // ---- files -----------------------------------------------------------------------------------------------------

    /// Writes `percache.toml`; `@ran(NAME)` becomes a command that reports NAME.
    pub fn config(&self, text: &str) {
        self.config_in("", text);
    }

    /// Writes the `percache.toml` of a member.
    pub fn config_in(&self, directory: &str, text: &str) {
        self.write(format!("{directory}/percache.toml").trim_start_matches('/'), self.with_tally(text));
    }

    fn with_tally(&self, text: &str) -> String {
        let tally = self.outside("tally");
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("@ran(") {
            let (name, after) = after.split_once(')').expect("@ran(NAME)");
            expanded += &format!("{before}echo {name} >> {}", tally.display());
            rest = after;
        }
        expanded + rest
    }

    /// Replaces text in `percache.toml`.
    pub fn edit_config(&self, old: &str, new: &str) {
        let (old, new) = (self.with_tally(old), self.with_tally(new));
        self.edit("percache.toml", &old, &new);
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a path below the root")).expect("creating directories");
        fs::write(&path, text).unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
    }

    pub fn edit(&self, path: &str, old: &str, new: &str) {
        let text = self.read(path);
        assert!(text.contains(old), "`{old}` is not in {path}:\n{text}");
        self.write(path, text.replace(old, new));
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("reading {path}: {error}"))
    }

    /// Whether something is there, be it a dangling symlink.
    pub fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// Removes a file, symlink or directory.
    pub fn remove(&self, path: &str) {
        let path = self.path(path);
        let metadata = path.symlink_metadata().unwrap_or_else(|error| panic!("removing {}: {error}", path.display()));
        let removed = if metadata.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.unwrap_or_else(|error| panic!("removing {}: {error}", path.display()));
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renaming");
    }

    /// Gives a file another modification time, with the same content.
    pub fn touch(&self, path: &str) {
        let file = fs::File::options().append(true).open(self.path(path)).expect("a file to touch");
        file.set_modified(SystemTime::now() + Duration::from_secs(5)).expect("setting a time");
    }

    pub fn modified(&self, path: &str) -> SystemTime {
        self.path(path).symlink_metadata().and_then(|metadata| metadata.modified()).expect("a file with a time")
    }

    pub fn symlink(&self, target: &str, path: &str) {
        std::os::unix::fs::symlink(target, self.path(path)).expect("making a symlink");
    }

    pub fn set_mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).expect("setting a mode");
    }

    // ---- building --------------------------------------------------------------------------------------------------

    /// `percache ARGUMENTS…` in the workspace.
    pub fn percache<const N: usize>(&self, arguments: [&str; N]) -> Run {
        self.run(self.command("").args(arguments))
    }

    /// `percache build ARGUMENTS…` in the workspace.
    pub fn build<const N: usize>(&self, arguments: [&str; N]) -> Run {
        self.run(self.command("").arg("build").args(arguments))
    }

    /// The binary, to be run in a directory of the workspace, with a small environment of its own.
    pub fn command(&self, directory: &str) -> Command {
        let mut command = Command::new(PERCACHE);
        command.current_dir(self.path(directory)).stdin(Stdio::null()).env_clear();
        self.environment(&mut command);
        command
    }

    /// Sets what any program here gets to see of the environment.
    pub fn environment(&self, command: &mut Command) {
        let home = self.outside("home");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &home).env("TMPDIR", self.outside("tmp"));
        for (name, directory) in
            [("XDG_CACHE_HOME", "cache"), ("XDG_CONFIG_HOME", "config"), ("XDG_STATE_HOME", "state")]
        {
            command.env(name, home.join(directory));
        }
        command.env("GIT_CONFIG_NOSYSTEM", "1");
    }

    /// `percache ARGUMENTS…` on a terminal of its own, in the workspace. Its exit status can be asked of [`Sandbox::status`] afterwards.
    pub fn terminal(&self, arguments: &[&str], variables: &[(&str, &str)], size: (u16, u16)) -> Terminal {
        let mut command = Command::new("env");
        self.environment(&mut command);
        let text = |text: &OsStr| text.to_string_lossy().into_owned();
        let own = command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?))));
        let term = [("TERM", "xterm-256color")].iter().chain(variables);
        let term = term.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let variables: Vec<_> = own.chain(term).collect();
        // The shell outlives Ctrl-C to say how it ended.
        let script = format!("trap : INT; \"$@\"; echo $? > {}", self.outside("status").display());
        let arguments = [&["-c", &script, "sh", PERCACHE], arguments].concat();
        Terminal::start(Path::new("/bin/sh"), &arguments, &variables, &self.root, size)
    }

    /// The exit status of what ran on a terminal last.
    pub fn status(&self) -> i32 {
        let text = fs::read_to_string(self.outside("status")).expect("it has ended");
        text.trim().parse().expect("a number")
    }

    /// Runs a command to its end.
    pub fn run(&self, command: &mut Command) -> Run {
        let output = command.output().expect("starting a program");
        Run::new(command, output, self.newly_tallied())
    }

    /// Runs another program in the workspace, which must succeed, and gives its stdout.
    pub fn shell(&self, script: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-e", "-c", script]).current_dir(&self.root).stdin(Stdio::null()).env_clear();
        self.environment(&mut command);
        let output = command.output().expect("starting sh");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{script}` failed: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What reported itself since the last time this was asked, sorted.
    pub fn newly_tallied(&self) -> Vec<String> {
        let tally = fs::read_to_string(self.outside("tally")).unwrap_or_default();
        let lines: Vec<&str> = tally.lines().collect();
        let mut new: Vec<String> = lines[self.reported.get()..].iter().map(|line| (*line).to_owned()).collect();
        self.reported.set(lines.len());
        new.sort();
        new
    }

    /// Waits until something holds; a failure if it does not within ten seconds.
    pub fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(10);
        while !holds() {
            assert!(Instant::now() < end, "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until no process is left that runs in the workspace: what a killed percache had started.
    pub fn wait_for_orphans(&self) {
        if !cfg!(target_os = "linux") {
            std::thread::sleep(Duration::from_millis(300));
            return;
        }
        self.wait_until("all commands have ended", || self.running_here().is_empty());
    }

    /// The processes that run in the workspace. Linux only.
    pub fn running_here(&self) -> Vec<String> {
        let runs_here = |process: &fs::DirEntry| {
            fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&self.root))
        };
        let processes = fs::read_dir("/proc").expect("/proc").flatten().filter(runs_here);
        processes.map(|process| process.file_name().to_string_lossy().into_owned()).collect()
    }

    // ---- comparing -------------------------------------------------------------------------------------------------

    /// All outputs: by convention what lies below directories named `out`.
    pub fn outputs(&self) -> Tree {
        let is_output = |path: &str| path.split('/').any(|name| name == "out");
        snapshot(&self.root).into_iter().filter(|(path, _)| is_output(path)).collect()
    }

    /// Incremental equals clean: the outputs are those of a build of the same sources from an empty store.
    pub fn same_as_clean(&self) {
        let clean = Sandbox::empty();
        let ours = self.outside("tally").display().to_string();
        let theirs = clean.outside("tally").display().to_string();
        for (path, node) in snapshot(&self.root) {
            if path.split('/').any(|name| ["out", "dep", ".percache"].contains(&name)) {
                continue;
            }
            match node {
                Node::File { bytes, executable } => {
                    let text = String::from_utf8_lossy(&bytes).replace(&ours, &theirs);
                    clean.write(&path, if path.ends_with("percache.toml") { text.into_bytes() } else { bytes });
                    clean.set_mode(&path, if executable { 0o755 } else { 0o644 });
                }
                Node::Directory => fs::create_dir_all(clean.path(&path)).expect("creating a directory"),
                Node::Symlink(target) => clean.symlink(&target, &path),
            }
        }
        clean.build([]).succeeds();
        assert_eq!(self.outputs(), clean.outputs(), "the outputs here (left) are not those of a clean build (right)");
    }
}
