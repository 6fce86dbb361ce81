//! What lies among the outputs and is no task's: files of the user's own, edited outputs, and what is left of tasks when
//! the store is gone.
//!
//! Knows nothing of builds: who owns a path follows from the tasks, and from what percache has recorded.

use std::collections::BTreeSet;

use super::model::{Kind, Project};
use crate::sandbox::{Node, Tree};

/// What is known of the tree besides the project.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Files, symlinks and empty directories among the outputs that percache does not hold.
    pub theirs: Tree,
    /// Paths below directories and globs that percache has recorded as outputs.
    pub recorded: BTreeSet<String>,
    /// Paths that git tracks.
    pub tracked: BTreeSet<String>,
    /// Where the workspace is.
    pub root: String,
    /// The commands that ran in the build in question.
    pub ran: BTreeSet<String>,
}

/// To whom a path belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Nobody,
    /// A task names just this path.
    Named(u8),
    /// A task has a pattern that matches it.
    Matched(u8),
}

impl World {
    pub fn owner(&self, project: &Project, path: &str) -> Owner {
        let Some((number, rest)) = path.strip_prefix("out/t").and_then(|rest| rest.split_at_checked(1)) else {
            return Owner::Nobody;
        };
        let Some((slot, task)) = number.parse().ok().and_then(|slot: u8| project.tasks.get_key_value(&slot)) else {
            return Owner::Nobody;
        };
        let owner = match &task.kind {
            Kind::Directory { .. } if rest == ".dir" || rest.starts_with(".dir/") => Owner::Matched,
            Kind::Globbed { .. } if rest.starts_with(".globs/") => Owner::Matched,
            Kind::Link { .. } if rest == ".link" => Owner::Named,
            Kind::Each { .. } | Kind::EachOf { .. } | Kind::EachBehind => {
                let stem = rest.strip_prefix('/').and_then(|name| name.strip_suffix(".txt"));
                match stem.is_some_and(|stem| project.stems(*slot, &self.theirs).iter().any(|other| other == stem)) {
                    true => Owner::Named,
                    false => return Owner::Nobody,
                }
            }
            Kind::Directory { .. } | Kind::Globbed { .. } | Kind::Link { .. } | Kind::Check { .. } => {
                return Owner::Nobody;
            }
            _ if rest == ".txt" => Owner::Named,
            _ => return Owner::Nobody,
        };
        owner(*slot)
    }

    /// Whether a path is as it is after its task has run or was restored, if it has a task.
    pub fn stays(&self, project: &Project, path: &str) -> bool {
        match self.owner(project, path) {
            Owner::Nobody => true,
            Owner::Named(_) => false,
            Owner::Matched(_) if self.recorded.contains(path) => false,
            Owner::Matched(slot) if self.theirs.get(path) == Some(&Node::Directory) => {
                // That a directory is made that is there is not to be seen.
                let below = format!("{path}/");
                path != format!("out/t{slot}.dir")
                    && !project.written(slot).keys().any(|written| written.starts_with(&below))
            }
            Owner::Matched(slot) => !project.written(slot).contains_key(path),
        }
    }

    /// What lies where others read the outputs of a task, and stays there.
    pub fn beside(&self, project: &Project, slot: u8) -> Tree {
        let places = [format!("out/t{slot}.dir/"), format!("out/t{slot}.globs/"), format!("out/t{slot}/")];
        let place = match &project.tasks[&slot].kind {
            Kind::Directory { .. } => &places[0],
            Kind::Globbed { .. } => &places[1],
            Kind::Each { .. } | Kind::EachOf { .. } | Kind::EachBehind => &places[2],
            _ => return Tree::new(),
        };
        let mut beside = self.some(|path| path.starts_with(place) && self.stays(project, path));
        beside.retain(|_, node| *node != Node::Directory);
        beside
    }

    /// What lies among the outputs of a task, stays there, and nobody knows where it comes from.
    pub fn unknown(&self, project: &Project, slot: u8) -> Tree {
        let is_unknown = |path: &str| {
            let among = self.owner(project, path) == Owner::Matched(slot);
            among && self.stays(project, path) && !self.tracked.contains(path)
        };
        self.some(is_unknown)
    }

    /// What a task takes for sources that declares no inputs.
    pub fn sources(&self, project: &Project) -> Tree {
        let is_ignored = |path: &str| path.split('/').any(|name| name.starts_with("foreign"));
        let counts = |path: &str| self.tracked.contains(path) || !is_ignored(path);
        let mut sources = self.some(|path| counts(path) && self.owner(project, path) == Owner::Nobody);
        sources.retain(|_, node| *node != Node::Directory);
        sources
    }

    fn some(&self, counts: impl Fn(&str) -> bool) -> Tree {
        let counts = |(path, _): &(&String, &Node)| counts(path);
        self.theirs.iter().filter(counts).map(|(path, node)| (path.clone(), node.clone())).collect()
    }
}
