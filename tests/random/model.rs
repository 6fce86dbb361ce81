//! A project as data: sources, tasks, and what may happen to them. Numbers stand for names, so that any number makes sense.
//!
//! Knows nothing of files, and not what the commands do.

use std::collections::BTreeMap;

use super::remote::{Errand, Fault, Sharing, Way};

/// All files that may exist as sources. Their stems differ.
pub const SOURCES: [&str; 12] = [
    "src/a.txt",
    "src/b.txt",
    "src/c.txt",
    "src/deep/d.txt",
    "src/deep/e.txt",
    "inc/f.txt",
    "inc/g.txt",
    "pool/one/h.txt",
    "pool/one/i.txt",
    "pool/up.txt",
    "well/two/h.txt",
    "well/up.txt",
];

/// Where the symlink `dir.lnk` may lead, all of them directories that are always there, or nothing.
pub const PLACES: [&str; 4] = ["pool/one", "well/two", "over.lnk", "none"];

/// Where the symlink `file.lnk` may lead besides to a source: over another symlink, to nothing, in a circle.
pub const DETOURS: [&str; 3] = ["other.lnk", "nowhere", "file.lnk"];

/// Symlinks that lead to one place always.
pub const FIXED: [(&str, &str); 2] = [("over.lnk", "well/two"), ("other.lnk", SOURCES[0])];

/// All contents that they may have; some are of one length.
pub const CONTENTS: [&str; 7] = ["one\n", "two\n", "six\n", "one two\n", "", "fail\n", "three four\n"];

/// Tasks are numbered; a task depends on such with lower numbers only.
pub const SLOTS: u8 = 7;

#[derive(Clone, Debug)]
pub struct Task {
    /// Part of the command and of its output.
    pub salt: u8,
    /// Part of the name and of the description only.
    pub alias: u8,
    /// What its `remote` says.
    pub shared: Shared,
    pub kind: Kind,
}

/// What a task says about the remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    Unsaid,
    Cache,
    No,
}

#[derive(Clone, Debug)]
pub enum Kind {
    /// Joins named sources and outputs of other tasks (inferred dependencies); fails if one of them says `fail`.
    Join { sources: Vec<u8>, upstream: Vec<u8> },
    /// Joins all sources that a pattern matches.
    Glob { pattern: u8 },
    /// Joins all sources, by leaving `inputs` out.
    All,
    /// `foreach` over sources.
    Each { deep: bool },
    /// `foreach` over the outputs of another `foreach`.
    EachOf { upstream: u8 },
    /// A directory with files, symlinks, an executable and an empty directory, one of each for every word of the
    /// sources; fails, when they are written, if one of the words is `fail`.
    Directory { sources: Vec<u8> },
    /// Files that a glob matches, one for every word of the sources; fails, when they are written, if one of the words is `fail`.
    Globbed { sources: Vec<u8> },
    /// A symlink, which may dangle.
    Link { source: u8 },
    /// No output.
    Check { sources: Vec<u8> },
    /// Always runs; joins sources, or has no output.
    Setup { sources: Vec<u8>, output: bool },
    /// Joins all outputs of explicit dependencies.
    After { deps: Vec<u8> },
    /// Reads a source that names the next one; tells by a depfile.
    Discover,
    /// Joins what lies in a directory behind a symlink.
    Behind { literal: bool },
    /// `foreach` over what lies there.
    EachBehind,
    /// Reads a symlink.
    Through,
    /// Reads one of the two parts of `params.yaml`, which alone is its input.
    Part { second: bool },
    /// Reads a file outside of the workspace.
    External,
    /// Writes a variable that its template sets, or its own.
    Templated { own: bool },
    /// Writes where the workspace is, behind the sources.
    Tied { sources: Vec<u8> },
    /// Reads a file beside the directory behind a symlink, and says in a depfile that it went there by `..`.
    Up,
}

/// What happens before a build.
#[derive(Clone, Debug)]
pub enum Edit {
    Write {
        source: u8,
        content: u8,
    },
    Delete {
        source: u8,
    },
    Rename {
        from: u8,
        to: u8,
    },
    Touch {
        source: u8,
    },
    /// `params.yaml` has other values, or is written otherwise.
    Params {
        first: u8,
        second: u8,
        style: u8,
    },
    /// The file outside of the workspace has another content.
    External {
        content: u8,
    },
    /// The template sets another value.
    Template {
        level: u8,
    },
    /// The symlink to a directory leads elsewhere.
    Relink {
        place: u8,
    },
    /// The symlink to a file leads elsewhere.
    RelinkFile {
        target: u8,
    },
    /// Sources and tasks become those of an earlier build.
    Branch {
        back: u8,
    },
    AddTask {
        slot: u8,
        task: Task,
    },
    RemoveTask {
        slot: u8,
    },
    Salt {
        slot: u8,
        salt: u8,
    },
    RenameTask {
        slot: u8,
        alias: u8,
    },
    /// A task says something else about the remote.
    Share {
        slot: u8,
        shared: Shared,
    },
    Reorder,
    DeleteOutput {
        output: u8,
    },
    DeleteAllOutputs,
    /// `percache clean`, by the configuration of before these edits.
    Clean,
    /// The user writes a file of their own among the outputs of a task, or beside them.
    Foreign {
        slot: u8,
        number: u8,
    },
    /// Git tracks a file of the user's among the outputs.
    Track {
        number: u8,
    },
    /// The user writes over an output, or over what else lies there.
    WriteOver {
        output: u8,
    },
    /// The workspace has another name.
    Move,
    /// The work goes on in a copy of the workspace.
    Copy,
    /// The store is gone, with all that was displaced.
    RemoveStore,
}

/// How an output is spoilt.
#[derive(Clone, Copy, Debug)]
pub enum Tamper {
    Overwrite,
    MakeExecutable,
    BecomeDirectory,
    BecomeSymlink,
    /// It is elsewhere, perhaps with less in it, and a symlink leads there.
    MoveAway,
}

#[derive(Clone, Debug)]
pub enum Build {
    /// Everything.
    Full,
    /// Everything, three times: nothing is left to do, and percache has time to find that out.
    Repeated,
    /// One task and what it needs.
    Named { slot: u8 },
    /// Everything, killed after so many milliseconds.
    Killed { after: u8 },
    /// Everything, after outputs were spoilt and nothing else happened.
    Tampered { output: u8, how: Tamper },
}

#[derive(Clone, Debug)]
pub struct Round {
    /// Which of the clones it happens in, and what that one does with the remote.
    pub clone: u8,
    pub way: Way,
    /// Whether outputs that nothing needs may stay on the remote.
    pub wanted: bool,
    /// Whether the clone takes over the project that was built last, wherever that was, instead of being edited.
    pub follows: bool,
    /// What happens to objects of the remote before, and, if there is a number, while it is built.
    pub faults: Vec<(u16, Fault)>,
    pub meanwhile: Option<u16>,
    /// Whether the next clone builds the same at the same time.
    pub beside: bool,
    /// What else is done with the clone before the build.
    pub errand: Option<Errand>,
    /// Whether everything has become old enough before to be known by its stamp.
    pub pause: bool,
    pub edits: Vec<Edit>,
    pub build: Build,
}

#[derive(Clone, Debug)]
pub struct History {
    /// Whether the store is outside of the workspace.
    pub outside: bool,
    /// Whether the workspace is a git repository.
    pub git: bool,
    /// Whether there is a remote, which clones share.
    pub sharing: Option<Sharing>,
    pub sources: Vec<(u8, u8)>,
    pub tasks: Vec<(u8, Task)>,
    pub rounds: Vec<Round>,
}

/// The project at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Project {
    /// Content by path.
    pub sources: BTreeMap<&'static str, &'static str>,
    pub tasks: BTreeMap<u8, Task>,
    pub reversed: bool,
    /// Where `dir.lnk` leads.
    pub place: u8,
    /// Where `file.lnk` leads.
    pub target: u8,
    /// The two values of `params.yaml`, and how they are written.
    pub params: (u8, u8, u8),
    /// The content of the file outside of the workspace.
    pub external: u8,
    /// The value of the variable that the template sets.
    pub level: u8,
}

impl PartialEq for Task {
    fn eq(&self, other: &Task) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

pub fn source(number: u8) -> &'static str {
    SOURCES[usize::from(number) % SOURCES.len()]
}

pub fn content(number: u8) -> &'static str {
    CONTENTS[usize::from(number) % CONTENTS.len()]
}

impl Project {
    pub fn new(history: &History) -> Project {
        let mut project = Project::default();
        project.sources.extend(history.sources.iter().map(|(name, text)| (source(*name), content(*text))));
        project.tasks.extend(history.tasks.iter().map(|(slot, task)| (slot % SLOTS, task.clone())));
        project
    }

    /// Every symlink among the sources, with its target.
    pub fn links(&self) -> BTreeMap<&'static str, &'static str> {
        let moving = [("dir.lnk", self.place()), ("file.lnk", self.target())];
        moving.into_iter().chain(FIXED).collect()
    }

    /// Where `dir.lnk` leads, as it says.
    pub fn place(&self) -> &'static str {
        PLACES[usize::from(self.place) % PLACES.len()]
    }

    /// Where `file.lnk` leads, as it says.
    pub fn target(&self) -> &'static str {
        let all = || SOURCES.iter().chain(&DETOURS);
        all().nth(usize::from(self.target) % all().count()).copied().unwrap_or_default()
    }

    /// The text of `params.yaml`.
    pub fn params(&self) -> String {
        let (first, second, style) = self.params;
        match style % 3 {
            0 => format!("first: {first}\nsecond: {second}\n"),
            1 => format!("# comment\nsecond:   {second}\n\nfirst: {first}\n"),
            _ => format!("second: {second}\nfirst:  {first}\nthird: {style}\n"),
        }
    }

    /// Whether the contents of a task's outputs are not kept. That depends on its number alone, so that no result is there in both forms.
    pub fn is_not_kept(&self, slot: u8) -> bool {
        let can_be =
            !matches!(self.tasks.get(&slot).map(|task| &task.kind), Some(Kind::Check { .. } | Kind::Setup { .. }));
        slot % 3 == 2 && can_be
    }

    /// Whether results of a task are shared, as far as they are of use elsewhere.
    pub fn is_shared(&self, slot: u8) -> bool {
        let task = &self.tasks[&slot];
        task.shared != Shared::No && !matches!(task.kind, Kind::Setup { .. })
    }

    /// A task that exists, if there is any.
    pub fn some_slot(&self, number: u8) -> Option<u8> {
        self.tasks.keys().copied().nth(usize::from(number) % self.tasks.len().max(1))
    }

    /// The edits that change the project itself.
    pub fn edit(&mut self, edit: &Edit, earlier: &[Project]) {
        match edit {
            Edit::Write { source: name, content: text } => {
                self.sources.insert(source(*name), content(*text));
            }
            Edit::Delete { source: name } => {
                self.sources.remove(source(*name));
            }
            Edit::Rename { from, to } => {
                if let Some(text) = self.sources.remove(source(*from)) {
                    self.sources.insert(source(*to), text);
                }
            }
            Edit::Branch { back } => {
                let index = earlier.len().checked_sub(1 + usize::from(*back));
                if let Some(project) = index.and_then(|index| earlier.get(index)) {
                    *self = project.clone();
                }
            }
            Edit::AddTask { slot, task } => {
                self.tasks.insert(slot % SLOTS, task.clone());
            }
            Edit::RemoveTask { slot } => {
                if let Some(slot) = self.some_slot(*slot) {
                    self.tasks.remove(&slot);
                }
            }
            Edit::Salt { slot, salt } => {
                if let Some(task) = self.some_slot(*slot).and_then(|slot| self.tasks.get_mut(&slot)) {
                    task.salt = *salt;
                }
            }
            Edit::RenameTask { slot, alias } => {
                if let Some(task) = self.some_slot(*slot).and_then(|slot| self.tasks.get_mut(&slot)) {
                    task.alias = *alias;
                }
            }
            Edit::Share { slot, shared } => {
                if let Some(task) = self.some_slot(*slot).and_then(|slot| self.tasks.get_mut(&slot)) {
                    task.shared = *shared;
                }
            }
            Edit::Params { first, second, style } => self.params = (*first, *second, *style),
            Edit::External { content } => self.external = *content,
            Edit::Template { level } => self.level = *level,
            Edit::Relink { place } => self.place = *place,
            Edit::RelinkFile { target } => self.target = *target,
            Edit::Reorder => self.reversed = !self.reversed,
            Edit::Touch { .. } | Edit::DeleteOutput { .. } | Edit::DeleteAllOutputs | Edit::Clean => {}
            Edit::Foreign { .. } | Edit::Track { .. } | Edit::WriteOver { .. } => {}
            Edit::Move | Edit::Copy | Edit::RemoveStore => {}
        }
    }
}
