//! A disk below a program: what is there when the power fails, given what was synced.
//!
//! A file system promises no more than this: the content of a file is permanent after `fsync` of the file, a name after `fsync` of
//! its directory. What was not synced may be there or not, in any order, in part, or as zeros. One thing more is true of the file
//! systems that Linux has, and RocksDB counts on it: `fsync` of a new file makes the name permanent under which it was made. Only
//! [`Cut::Reordered`] needs that.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::log::Call;
use crate::sandbox::Chance;

type Inode = usize;

#[derive(Clone)]
enum Change {
    Length(usize),
    Write(usize, Vec<u8>),
}

#[derive(Clone, Default)]
struct File {
    /// What is permanent.
    synced: Vec<u8>,
    /// What happened since.
    since: Vec<Change>,
    /// Whether it was ever synced.
    named: bool,
}

#[derive(Clone)]
enum Name {
    Set(String, Inode),
    Gone(String),
    Moved { from: String, to: String, inode: Inode },
}

/// The disk, while the program runs.
#[derive(Clone, Default)]
pub struct Disk {
    files: Vec<File>,
    names: BTreeMap<String, Inode>,
    directories: BTreeSet<String>,
    open: HashMap<u32, String>,
    open_files: HashMap<u32, Inode>,
    /// The names that are permanent, and what happened to names since, in order.
    synced: BTreeMap<String, Inode>,
    since: Vec<Name>,
}

/// What is there after the cut: files and directories.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    pub files: BTreeMap<String, Vec<u8>>,
    pub directories: BTreeSet<String>,
}

/// How the file system uses its freedom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Not at all: the process was killed, the machine goes on.
    Kill,
    /// What was not synced is not there, names included.
    Strict,
    /// All names are there; contents that were not synced are not.
    Names,
    /// As before, but files have their length: zeros where the content is missing.
    Zeros,
    /// All names are there; of what was written to a file since its sync, a part.
    Torn,
    /// Each change of a name, and each page of a content, is there or not.
    Reordered,
}

pub const CUTS: [Cut; 6] = [Cut::Kill, Cut::Strict, Cut::Names, Cut::Zeros, Cut::Torn, Cut::Reordered];

const PAGE: usize = 4096;

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Disk {
    /// Everything below `root`, all of it permanent.
    pub fn load(root: &Path) -> Disk {
        let mut disk = Disk::default();
        disk.add(root, "");
        disk.synced = disk.names.clone();
        disk
    }

    fn add(&mut self, directory: &Path, prefix: &str) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = format!("{prefix}{}", entry.file_name().to_str().expect("a name in UTF-8"));
            if entry.path().is_dir() {
                self.add(&entry.path(), &format!("{path}/"));
                self.directories.insert(path);
            } else {
                self.names.insert(path, self.files.len());
                let synced = std::fs::read(entry.path()).expect("a readable file");
                self.files.push(File { synced, since: Vec::new(), named: true });
            }
        }
    }

    /// Does what the program did.
    pub fn apply(&mut self, call: &Call) {
        match call {
            Call::Open { fd, path } => {
                self.open.insert(*fd, path.clone());
                match self.names.get(path) {
                    Some(inode) => drop(self.open_files.insert(*fd, *inode)),
                    None => drop(self.open_files.remove(fd)),
                }
            }
            Call::Close { fd } => drop((self.open.remove(fd), self.open_files.remove(fd))),
            Call::Create { path } => {
                self.names.insert(path.clone(), self.files.len());
                self.since.push(Name::Set(path.clone(), self.files.len()));
                self.files.push(File::default());
            }
            Call::Truncate { fd, length } | Call::Extend { fd, length } => self.change(*fd, Change::Length(*length)),
            Call::Write { fd, at, bytes } => self.change(*fd, Change::Write(*at, bytes.clone())),
            Call::Rename { from, to } => self.rename(from, to),
            Call::Link { from, to } => {
                let inode = self.names[from];
                self.names.insert(to.clone(), inode);
                self.since.push(Name::Set(to.clone(), inode));
            }
            Call::Unlink { path } => {
                self.names.remove(path);
                self.since.push(Name::Gone(path.clone()));
            }
            // Directories are few, made long before something of worth is in them, and not what this is about.
            Call::MakeDir { path } => drop(self.directories.insert(path.clone())),
            Call::RemoveDir { path } => drop(self.directories.remove(path)),
            Call::Sync { fd } => self.sync(*fd),
        }
    }

    fn change(&mut self, fd: u32, change: Change) {
        let inode = self.open_files[&fd];
        self.files[inode].since.push(change);
    }

    fn rename(&mut self, from: &str, to: &str) {
        // A directory takes along what is in it; that happens in one step and is not cut.
        let below = format!("{from}/");
        if self.directories.remove(from) {
            self.directories.insert(to.to_owned());
            for names in [&mut self.names, &mut self.synced] {
                let moved: Vec<String> = names.keys().filter(|path| path.starts_with(&below)).cloned().collect();
                for path in moved {
                    let inode = names.remove(&path).expect("a name");
                    names.insert(format!("{to}/{}", &path[below.len()..]), inode);
                }
            }
            return;
        }
        let inode = self.names.remove(from).unwrap_or_else(|| panic!("{from} is not there"));
        self.names.insert(to.to_owned(), inode);
        self.since.push(Name::Moved { from: from.to_owned(), to: to.to_owned(), inode });
    }

    fn sync(&mut self, fd: u32) {
        if let Some(inode) = self.open_files.get(&fd) {
            let file = &mut self.files[*inode];
            file.synced = file.content(usize::MAX, &mut |_| true);
            file.since.clear();
            file.named = true;
            return;
        }
        let directory = self.open[&fd].clone();
        let (mut synced, mut kept) = (std::mem::take(&mut self.synced), Vec::new());
        for change in std::mem::take(&mut self.since) {
            let path = match &change {
                Name::Set(path, _) | Name::Gone(path) => path,
                Name::Moved { to, .. } => to,
            };
            if parent(path) == directory { change.apply(&mut synced) } else { kept.push(change) }
        }
        (self.synced, self.since) = (synced, kept);
    }

    /// What is there when the power fails now.
    pub fn cut(&self, how: Cut, chance: &mut Chance) -> Image {
        let names = match how {
            Cut::Strict => self.synced.clone(),
            Cut::Reordered => {
                let mut names = self.synced.clone();
                let sure = |change: &&Name| matches!(change, Name::Set(_, inode) if self.files[*inode].named);
                let there = |change: &&Name| sure(change) || chance.one_in(2);
                self.since.iter().filter(there).for_each(|change| change.apply(&mut names));
                names
            }
            _ => self.names.clone(),
        };
        let content = |inode: Inode, chance: &mut Chance| {
            let file = &self.files[inode];
            match how {
                Cut::Kill => file.content(usize::MAX, &mut |_| true),
                Cut::Strict | Cut::Names => file.synced.clone(),
                Cut::Zeros => file.content(usize::MAX, &mut |_| false),
                Cut::Torn => file.content(chance.below(file.weight() as u64 + 1) as usize, &mut |_| true),
                Cut::Reordered => file.content(usize::MAX, &mut |_| chance.one_in(2)),
            }
        };
        let files = names.into_iter().map(|(path, inode)| (path, content(inode, chance))).collect();
        Image { files, directories: self.directories.clone() }
    }
}

impl Name {
    fn apply(&self, names: &mut BTreeMap<String, Inode>) {
        match self {
            Name::Set(path, inode) => drop(names.insert(path.clone(), *inode)),
            Name::Gone(path) => drop(names.remove(path)),
            Name::Moved { from, to, inode } => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
        }
    }
}

impl File {
    /// Bytes written since the last sync; a change of length counts as one.
    fn weight(&self) -> usize {
        let weigh = |change: &Change| if let Change::Write(_, bytes) = change { bytes.len() } else { 1 };
        self.since.iter().map(weigh).sum()
    }

    /// The content when only the first `weight` of what was written arrived, and of that the pages that `arrives` says.
    fn content(&self, mut weight: usize, arrives: &mut dyn FnMut(usize) -> bool) -> Vec<u8> {
        let mut content = self.synced.clone();
        for change in &self.since {
            match change {
                _ if weight == 0 => break,
                Change::Length(length) => {
                    content.resize(*length, 0);
                    weight -= 1;
                }
                Change::Write(at, bytes) => {
                    let bytes = &bytes[..bytes.len().min(weight)];
                    weight -= bytes.len();
                    content.resize(content.len().max(at + bytes.len()), 0);
                    for (number, page) in bytes.chunks(PAGE).enumerate() {
                        if arrives(number) {
                            let at = at + number * PAGE;
                            content[at..at + page.len()].copy_from_slice(page);
                        }
                    }
                }
            }
        }
        content
    }
}
