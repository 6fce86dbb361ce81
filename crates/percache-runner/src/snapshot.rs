//! Snapshots: a build with nothing to do, told from stamps alone.
//!
//! After a build that found everything up to date, the snapshot holds the stamp of every path on which that finding rests: files of
//! the configuration, inputs, discovered inputs, outputs, directories that were listed, and places where nothing was. If the same is
//! asked for again in the same environment and no stamp has changed, the answer is the same: no configuration is read, no database is
//! opened, nothing is hashed.
//!
//! Two rules keep it honest. It is written only after a build that ran and restored nothing, so that all stamps belong together. And
//! every stamp must be older than that build by more than the clock of the file system can resolve, so that whatever changes a file
//! later changes its stamp too.
//!
//! ```text
//! "percache snapshot 1\n"  version  request(20)  store's epoch(8)  expiry(8)  tasks(4)
//! names of variables, digest of their values(20)
//! tools: command, directory, names of variables passed and taken, variables set, digest of what it printed(20)
//! names of the tasks
//! paths: count, then of each, sorted: present flag, stamp, path with a NUL behind it
//! digest of all of the above
//! ```

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use globset::Glob;
use percache::Digest;
use percache::codec::{DecodeError, Decoder, Encode};
use percache::digest::Hasher;
use percache::store::now;
use percache::store::record::Time;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use crate::build::context::Tools;
use crate::environment::{self, Caller, Wishes};
use crate::process::Stop;
use crate::stamp::Stamp;

const MAGIC: &[u8] = b"percache snapshot 1\n";
/// Paths that are worth a thread.
const WORTH_A_THREAD: usize = 500;

/// The paths that a finding rests on, with their stamps; `None` where nothing is. Relative to the workspace, or absolute.
pub type Watched = BTreeMap<Vec<u8>, Option<Stamp>>;

/// What a snapshot is made of.
pub struct Snapshot<'a> {
    /// What was asked for: see [`request`].
    pub request: Digest,
    /// The store's epoch.
    pub epoch: u64,
    /// From this time on a result may be too old to be used.
    pub expiry: Time,
    /// Variables that count: names, or globs over names; sorted.
    pub variables: Vec<String>,
    /// The tools that tasks ask for, and what they said. They are asked again every time.
    pub tools: Vec<Tool>,
    /// Names of the tasks that are up to date.
    pub tasks: Vec<&'a str>,
    /// What the finding rests on.
    pub watched: &'a Watched,
}

/// A tool that tasks ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The command.
    pub command: String,
    /// Where it runs, relative to the workspace.
    pub cwd: Vec<u8>,
    /// Names of variables that it sees, without being set for it.
    pub pass: Vec<String>,
    /// The same, of those that count.
    pub from: Vec<String>,
    /// Variables that the configuration sets. Values from elsewhere are nowhere on disk.
    pub set: BTreeMap<String, String>,
    /// Of what it said.
    pub answer: Digest,
}

impl Tool {
    fn encode(&self, to: &mut Vec<u8>) {
        to.text(&self.command);
        to.bytes(&self.cwd);
        for names in [&self.pass, &self.from] {
            to.count(names.len());
            names.iter().for_each(|name| to.text(name));
        }
        to.count(self.set.len());
        self.set.iter().for_each(|(name, value)| {
            to.text(name);
            to.text(value);
        });
        to.digest(&self.answer);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Tool, DecodeError> {
        let text = |from: &mut Decoder<'_>| from.text().map(str::to_owned);
        let names = |from: &mut Decoder<'_>| (0..from.count(4)?).map(|_| text(from)).collect::<Result<Vec<_>, _>>();
        Ok(Tool {
            command: text(from)?,
            cwd: from.bytes()?.to_vec(),
            pass: names(from)?,
            from: names(from)?,
            set: (0..from.count(8)?).map(|_| Ok((text(from)?, text(from)?))).collect::<Result<_, _>>()?,
            answer: from.digest()?,
        })
    }

    /// Whether it says the same as before.
    fn says_the_same(&self, root: &Path, caller: &Caller, colour: bool, stop: &Stop) -> bool {
        let wishes = Wishes { pass: &self.pass, from: &self.from, set: &self.set };
        let variables = environment::resolve(wishes, caller, &[], colour).variables.into_iter().collect();
        let cwd = root.join(OsStr::from_bytes(&self.cwd));
        Tools::default().version(&self.command, cwd, variables, stop) == Ok(self.answer)
    }
}

/// Everything is up to date.
pub struct Unchanged {
    /// Names of the tasks.
    pub tasks: Vec<String>,
}

/// The digest of what is asked for: the arguments that select and parametrise tasks, and where they were given.
pub fn request(cwd: &[u8], tasks: &[String], args: &[String]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.bytes(cwd);
    for list in [tasks, args] {
        hasher.count(list.len());
        list.iter().for_each(|text| hasher.text(text));
    }
    hasher.finish()
}

/// The digest of the variables that count, absent ones included.
fn variables_digest(caller: &Caller, names: &[String]) -> Digest {
    let globs: Vec<_> =
        names.iter().filter_map(|name| Glob::new(name).ok()).map(|glob| glob.compile_matcher()).collect();
    let mut hasher = Hasher::new();
    for (name, value) in caller.iter().filter(|(name, _)| globs.iter().any(|glob| glob.is_match(name))) {
        hasher.bytes(name.as_bytes());
        hasher.bytes(value.as_bytes());
    }
    hasher.finish()
}

impl Snapshot<'_> {
    /// Writes it to `path`, which must not exist: whoever builds has removed the one before.
    pub fn save(&self, path: &Path, caller: &Caller) -> io::Result<()> {
        let temporary = path.with_extension("snapshot-new");
        fs::write(&temporary, self.encode(caller))?;
        fs::rename(&temporary, path)
    }

    fn encode(&self, caller: &Caller) -> Vec<u8> {
        let mut to = Vec::with_capacity(256 + 96 * self.watched.len());
        to.extend_from_slice(MAGIC);
        to.text(env!("CARGO_PKG_VERSION"));
        to.digest(&self.request);
        to.u64(self.epoch);
        to.u64(self.expiry);
        to.count(self.variables.len());
        self.variables.iter().for_each(|name| to.text(name));
        to.digest(&variables_digest(caller, &self.variables));
        to.count(self.tools.len());
        self.tools.iter().for_each(|tool| tool.encode(&mut to));
        to.count(self.tasks.len());
        self.tasks.iter().for_each(|name| to.text(name));
        to.count(self.watched.len());
        for (path, stamp) in self.watched {
            to.bool(stamp.is_some());
            stamp.unwrap_or(NOTHING).encode(&mut to);
            to.bytes(&[path, &b"\0"[..]].concat());
        }
        let digest = Digest::of(&to);
        to.digest(&digest);
        to
    }
}

const NOTHING: Stamp = Stamp { size: 0, mtime: 0, ctime: 0, inode: 0, mode: 0 };

/// Whether the snapshot at `path` still holds for the workspace at `root`. Anything that speaks against it, however little, is a no.
pub fn unchanged(
    path: &Path,
    root: &Path,
    request: &Digest,
    epoch: u64,
    caller: &Caller,
    colour: bool,
    threads: usize,
) -> Option<Unchanged> {
    let bytes = fs::read(path).ok()?;
    let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(20)?)?;
    let mut from = Decoder::new(body.strip_prefix(MAGIC)?);
    let header = Header::decode(&mut from).ok()?;
    let same = header.version == env!("CARGO_PKG_VERSION") && header.request == *request && header.epoch == epoch;
    if !same || now() >= header.expiry || header.environment != variables_digest(caller, &header.variables) {
        return None;
    }
    let watched = watched(&mut from).ok()?;
    from.finish().ok()?;
    // Without Ctrl-C: these are short, and the build that follows a no has its own.
    let stop = Stop::manual().ok()?;
    let fd = openat(CWD, root, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    // Hashing the file itself takes a millisecond for some ten thousand paths: beside the stamps, not before them.
    let changed = AtomicBool::new(false);
    let part = watched.len().div_ceil(threads.min(watched.len() / WORTH_A_THREAD + 1).max(1)).max(1);
    std::thread::scope(|scope| {
        let mut parts = watched.chunks(part);
        let own = parts.next().unwrap_or_default();
        for part in parts {
            scope.spawn(|| check(&fd, part, &changed));
        }
        for tool in &header.tools {
            let changed = &changed;
            let stop = &stop;
            scope.spawn(move || {
                if !tool.says_the_same(root, caller, colour, stop) {
                    changed.store(true, Ordering::Relaxed);
                }
            });
        }
        if Digest::of(body).as_bytes() != digest {
            changed.store(true, Ordering::Relaxed);
        }
        check(&fd, own, &changed);
    });
    (!changed.into_inner()).then_some(Unchanged { tasks: header.tasks })
}

struct Header<'a> {
    version: &'a str,
    request: Digest,
    epoch: u64,
    expiry: Time,
    variables: Vec<String>,
    environment: Digest,
    tools: Vec<Tool>,
    tasks: Vec<String>,
}

impl<'a> Header<'a> {
    fn decode(from: &mut Decoder<'a>) -> Result<Header<'a>, DecodeError> {
        Ok(Header {
            version: from.text()?,
            request: from.digest()?,
            epoch: from.u64()?,
            expiry: from.u64()?,
            variables: (0..from.count(4)?).map(|_| from.text().map(str::to_owned)).collect::<Result<_, _>>()?,
            environment: from.digest()?,
            tools: (0..from.count(40)?).map(|_| Tool::decode(from)).collect::<Result<_, _>>()?,
            tasks: (0..from.count(4)?).map(|_| from.text().map(str::to_owned)).collect::<Result<_, _>>()?,
        })
    }
}

fn watched<'a>(from: &mut Decoder<'a>) -> Result<Vec<(&'a CStr, Option<Stamp>)>, DecodeError> {
    let count = from.count(41)?;
    let mut watched = Vec::with_capacity(count);
    for _ in 0..count {
        let present = from.bool()?;
        let stamp = Stamp::decode(from)?;
        let path = CStr::from_bytes_with_nul(from.bytes()?).map_err(|_| DecodeError("a path has a NUL byte"))?;
        watched.push((path, present.then_some(stamp)));
    }
    Ok(watched)
}

fn check(root: &std::os::fd::OwnedFd, watched: &[(&CStr, Option<Stamp>)], changed: &AtomicBool) {
    for (path, before) in watched {
        // An absolute path makes the call ignore the directory.
        let now = match statat(root, *path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(Stamp::of(&stat)),
            Err(Errno::NOENT | Errno::NOTDIR) => None,
            Err(_) => return changed.store(true, Ordering::Relaxed),
        };
        if now != *before {
            return changed.store(true, Ordering::Relaxed);
        }
        if changed.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Says that the snapshot holds no longer: whoever builds says so first.
pub fn discard(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        answer => answer,
    }
}

/// Whether a file is empty or absent.
pub fn is_empty(path: &Path) -> bool {
    match File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) => metadata.len() == 0,
        Err(e) => e.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests;
