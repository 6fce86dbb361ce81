//! Starts a command, and says in the user's terms why it cannot be started.

use std::ffi::{OsStr, OsString};
use std::io::{self, PipeReader};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use thiserror::Error;

use crate::process::descriptors;

use super::{Mark, OnMark, Spec, Stdio, Stream, Ticks};

/// A command that could not be started.
#[derive(Debug, Error)]
#[error("cannot run `{}`: {kind}", program.display())]
pub struct SpawnError {
    /// The program as written.
    pub program: OsString,
    /// Where it should have run.
    pub cwd: PathBuf,
    /// Why not.
    pub kind: SpawnErrorKind,
}

impl SpawnError {
    /// What to do about it, if that is known.
    pub fn hint(&self) -> Option<String> {
        let program = self.program.to_string_lossy();
        Some(match &self.kind {
            SpawnErrorKind::NotInPath | SpawnErrorKind::NotFound if program.contains(char::is_whitespace) => {
                "in an array the program stands alone, each argument apart; a string is run by a shell".to_owned()
            }
            SpawnErrorKind::NotInPath if self.cwd.join(&*program).is_file() => {
                format!("it is a file in the directory where it runs: write `./{program}`")
            }
            SpawnErrorKind::NotInPath => "install it, or correct its name".to_owned(),
            SpawnErrorKind::NotFound => format!("its path is as seen from `{}`, where it runs", self.cwd.display()),
            SpawnErrorKind::NotExecutable(path) => format!("make it executable: chmod +x {}", path.display()),
            SpawnErrorKind::NoInterpreter(_) => "look at its first line: `#!` and the path of a program".to_owned(),
            SpawnErrorKind::NoDirectory(_) => {
                "correct `cwd`; only directories of outputs are made by percache".to_owned()
            }
            SpawnErrorKind::Os(_) => return None,
        })
    }
}

/// Why a command could not be started.
#[derive(Debug, Error)]
pub enum SpawnErrorKind {
    /// There is no such program.
    #[error("there is no such program")]
    NotFound,
    /// No directory of PATH has the program.
    #[error("no directory of PATH has it")]
    NotInPath,
    /// The file may not be executed.
    #[error("`{}` is not executable", .0.display())]
    NotExecutable(PathBuf),
    /// The file is there, what its first line or its header asks for is not.
    #[error("the interpreter of `{}` does not exist", .0.display())]
    NoInterpreter(PathBuf),
    /// The directory does not exist.
    #[error("there is no directory `{}` to run it in", .0.display())]
    NoDirectory(PathBuf),
    /// Anything else.
    #[error(transparent)]
    Os(io::Error),
}

/// Where programs are looked for when the command's environment has no PATH.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The ends of the pipes that carry a command's output.
pub(super) type Outputs = Vec<(Stream, PipeReader)>;

/// Starts the command; also gives the pipes that carry its output, when that is captured. `on_mark` hears by what it can be found.
pub(super) fn spawn(spec: &Spec, on_mark: OnMark<'_>) -> Result<(Child, Outputs), SpawnError> {
    start(spec, on_mark).map_err(|kind| SpawnError { program: spec.program.clone(), cwd: spec.cwd.clone(), kind })
}

fn start(spec: &Spec, on_mark: OnMark<'_>) -> Result<(Child, Outputs), SpawnErrorKind> {
    if !spec.cwd.is_dir() {
        return Err(SpawnErrorKind::NoDirectory(spec.cwd.clone()));
    }
    let program = find_program(spec)?;
    // With an absolute program and without a hook before exec, the standard library uses posix_spawn, which is much cheaper than fork
    // in a process with a large memory. So there is no PR_SET_PDEATHSIG, which needs such a hook and would end the leader alone: what
    // outlives this process is ended by the next build, see crate::process::orphans.
    let mut command = Command::new(&program);
    command.arg0(&spec.program).args(&spec.args).current_dir(&spec.cwd).env_clear();
    command.envs(spec.env.iter().map(|(name, value)| (name, value)));
    if let Some(limit) = descriptors::of_commands() {
        limit_files(&mut command, limit);
    }
    let mut outputs = Vec::new();
    if spec.stdio != Stdio::Inherited {
        let (reader, writer) = io::pipe().map_err(SpawnErrorKind::Os)?;
        outputs.push((Stream::Out, reader));
        let other = match spec.stdio {
            Stdio::Apart => {
                let (reader, other) = io::pipe().map_err(SpawnErrorKind::Os)?;
                outputs.push((Stream::Err, reader));
                other
            }
            _ => writer.try_clone().map_err(SpawnErrorKind::Os)?,
        };
        command.stdin(std::process::Stdio::null()).stdout(writer).stderr(other).process_group(0);
        on_mark(&Mark::Outputs(outputs.iter().filter_map(|(_, pipe)| pipe_number(pipe)).collect()));
    }
    let before = ticks();
    match spawn_patiently(&mut command) {
        Ok(child) => {
            if spec.stdio != Stdio::Inherited {
                on_mark(&Mark::Leader(child.id(), before..=ticks()));
            }
            Ok((child, outputs))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && program.is_file() => {
            Err(SpawnErrorKind::NoInterpreter(program))
        }
        Err(error) => Err(SpawnErrorKind::Os(error)),
    }
}

/// Has the command run with this limit for open files. That takes a hook before exec, and so fork: only builds of
/// very many jobs do.
fn limit_files(command: &mut Command, limit: Rlimit) {
    let set = move || setrlimit(Resource::Nofile, limit).map_err(io::Error::from);
    // SAFETY: setrlimit is async-signal-safe (it is the bare system call), and nothing here takes memory or locks.
    #[allow(unsafe_code, reason = "the standard library has no other way to change a limit of a command alone")]
    unsafe {
        command.pre_exec(set)
    };
}

/// Now. What proc_pid_stat(5) tells as the start time of a process lies between two such moments, as does the start; and to ask for
/// it would take longer than to start a small command (30 µs).
#[cfg(target_os = "linux")]
pub(crate) fn ticks() -> Ticks {
    use rustix::time::{ClockId, clock_gettime};
    // USER_HZ, which is 100 on every architecture of today.
    const NANOSECONDS: u64 = 1_000_000_000 / 100;
    let now = clock_gettime(ClockId::Boottime);
    (now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64) / NANOSECONDS
}

/// Elsewhere nobody looks for it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn ticks() -> Ticks {
    0
}

/// By what the system names a pipe, both ends of it.
pub(crate) fn pipe_number(pipe: impl AsFd) -> Option<u64> {
    rustix::fs::fstat(pipe).ok().map(|stat| stat.st_ino)
}

/// A program that was written a moment ago is "busy" (ETXTBSY) while another command, started at that moment by another thread,
/// has inherited the descriptor it was written through and has not yet come to its exec (golang/go issue 22315). That passes in
/// milliseconds.
fn spawn_patiently(command: &mut Command) -> io::Result<Child> {
    let mut pause = Duration::from_millis(1);
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && pause < Duration::from_millis(500) => {
                std::thread::sleep(pause);
                pause *= 2;
            }
            other => return other,
        }
    }
}

/// The absolute path of the program.
fn find_program(spec: &Spec) -> Result<PathBuf, SpawnErrorKind> {
    if spec.program.as_bytes().contains(&b'/') {
        let path = spec.cwd.join(&spec.program);
        return match () {
            () if is_executable(&path) => Ok(path),
            () if path.exists() => Err(SpawnErrorKind::NotExecutable(path)),
            () => Err(SpawnErrorKind::NotFound),
        };
    }
    let search = spec.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
    let search = search.unwrap_or(OsStr::new(DEFAULT_PATH));
    let places = || std::env::split_paths(search).map(|dir| spec.cwd.join(dir).join(&spec.program));
    if spec.program.is_empty() {
        return Err(SpawnErrorKind::NotInPath);
    }
    let found = match spec.program == "sh" {
        true => shell(search, || places().find(|path| is_executable(path))),
        false => places().find(|path| is_executable(path)),
    };
    found.ok_or_else(|| {
        let not_executable = places().find(|path| path.is_file());
        not_executable.map_or(SpawnErrorKind::NotInPath, SpawnErrorKind::NotExecutable)
    })
}

/// The shell, by which most commands are run: where it was the last time for the same PATH, if it still is there. Shells remember where
/// programs are in the same way.
fn shell(search: &OsStr, find: impl FnOnce() -> Option<PathBuf>) -> Option<PathBuf> {
    static LAST: Mutex<Option<(OsString, PathBuf)>> = Mutex::new(None);
    let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let known = last().as_ref().filter(|(of, _)| of == search).map(|(_, path)| path.clone());
    if let Some(path) = known.filter(|path| is_executable(path)) {
        return Some(path);
    }
    let found = find();
    // A relative directory means another one for each command.
    if let Some(path) = &found
        && std::env::split_paths(search).all(|dir| dir.is_absolute())
    {
        *last() = Some((search.to_owned(), path.clone()));
    }
    found
}

fn is_executable(path: &Path) -> bool {
    // In this order: most places that are looked at have nothing of that name.
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}
