//! Which directories are members: those that patterns name, and the packages of ecosystems that have a file of their
//! own.
//!
//! Does not read the files of members.

use std::collections::BTreeSet;
use std::path::Path;

use super::files::FILE_NAME;
use super::report::{At, Place, Report};
use crate::fs::walk::{Want, expand_noting};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::problem::reason;
use crate::model::{Ecosystem, Package, PackageDoubt};
use crate::packages;
use crate::syntax::shown::shown;

/// One of `members`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// Directories, as a pattern.
    Pattern(String),
    /// The packages of an ecosystem.
    Packages {
        ecosystem: Ecosystem,
        /// Whether it stands in a list, where a pattern could stand as well.
        listed: bool,
    },
}

impl Member {
    /// Returns what an item of a list means.
    pub fn listed(text: &str) -> Member {
        match Ecosystem::named(text) {
            Some(ecosystem) => Member::Packages { ecosystem, listed: true },
            None => Member::Pattern(text.to_owned()),
        }
    }

    /// Returns what a value that is no list means.
    pub fn alone(ecosystem: Ecosystem) -> Member {
        Member::Packages { ecosystem, listed: false }
    }

    fn pattern(&self) -> Option<&str> {
        match self {
            Member::Pattern(text) => Some(text),
            Member::Packages { .. } => None,
        }
    }
}

/// What `members` stands for.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// The directories of the members, sorted.
    pub dirs: Vec<RelPath>,
    pub packages: Vec<Package>,
    /// What is odd about these.
    pub doubts: Vec<PackageDoubt>,
}

/// Returns the members, and the packages of the ecosystems. A glob finds directories that have a file; a directory
/// named without wildcards must have one. Calls `note` with the paths that the answer depends on. Reports mistakes.
pub(super) fn members(
    root: &Path,
    report: &mut Report,
    stated: &[At<Member>],
    note: &mut dyn FnMut(&RelPath),
) -> Members {
    check_first(report, stated);
    let (mut packages, mut doubts, mut strays) = (Vec::new(), Vec::new(), Vec::new());
    for member in stated {
        if let Member::Packages { ecosystem, listed } = member.value {
            if listed {
                check_ambiguous(root, report, ecosystem, &member.at);
            }
            let Some(found) = packages_of(root, report, (ecosystem, &member.at), note) else { continue };
            add_packages(&mut packages, found.packages);
            doubts.extend(found.doubts);
            strays.extend(found.strays.into_iter().map(|dir| (dir, ecosystem)));
        }
    }
    let valid: Vec<&At<Member>> = stated.iter().filter(|member| check(root, report, member)).collect();
    let patterns = member_files(valid.iter().filter_map(|member| member.value.pattern()));
    let Ok(set) = PatternSet::parse(&RelPath::root(), &patterns) else { return Members::default() };
    let found = match expand_noting(root, &set, &[], Want::Files, note) {
        Ok(found) => found,
        Err(error) => {
            let at = place(stated.first());
            let title = format!("cannot look for members: {error}");
            report.error(title, at, reason(&error.source));
            return Members::default();
        }
    };
    let mut dirs: BTreeSet<RelPath> = found.into_iter().filter_map(|found| found.path.parent()).collect();
    for package in &packages {
        let file = package.dir.child(FILE_NAME.as_bytes());
        // A `!` in the list takes packages away, too.
        if set.decision(&file) == Some(false) {
            continue;
        }
        if file.to_path(root).is_file() {
            dirs.insert(package.dir.clone());
        } else {
            note(&file);
        }
    }
    dirs.remove(&RelPath::root());
    strays.retain(|(dir, _)| !dirs.contains(dir) && set.decision(&dir.child(FILE_NAME.as_bytes())) != Some(false));
    doubts.extend(strays.into_iter().map(|(dir, ecosystem)| stray(&dir, ecosystem)));
    let dirs = dirs.into_iter().filter(|dir| check_dir(report, stated, dir)).collect();
    Members { dirs, packages, doubts }
}

/// What a directory with a file of its own is to a workspace further up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    Member,
    Stranger,
    /// No member, because it has no manifest, or because nobody knows which directories are packages.
    Doubtful {
        /// What is odd about it, and what to do about it.
        problem: String,
        hint: String,
    },
}

/// Returns what the directory `dir` is to the workspace in `root`, as far as the files can be read.
pub(super) fn membership(root: &Path, stated: &[Member], dir: &RelPath) -> Membership {
    let file = dir.child(FILE_NAME.as_bytes());
    let patterns = member_files(stated.iter().filter_map(Member::pattern));
    match PatternSet::parse(&RelPath::root(), &patterns).ok().and_then(|set| set.decision(&file)) {
        Some(true) => return Membership::Member,
        Some(false) => return Membership::Stranger,
        None => {}
    }
    let mut answer = Membership::Stranger;
    for member in stated {
        let Member::Packages { ecosystem, .. } = member else { continue };
        match packages::read(root, *ecosystem, FILE_NAME, &mut |_| {}) {
            Ok(found) if found.packages.iter().any(|package| package.dir == *dir) => return Membership::Member,
            Ok(found) if found.strays.contains(dir) => answer = without_manifest(root, dir, *ecosystem),
            Ok(_) => {}
            Err(mistake) => answer = unknown(root, dir, mistake),
        }
    }
    answer
}

/// Returns what a directory is that would be a package if it had a manifest.
fn without_manifest(root: &Path, dir: &RelPath, ecosystem: Ecosystem) -> Membership {
    let (name, manifest, root) = (ecosystem.name(), ecosystem.manifest(), shown(root));
    Membership::Doubtful {
        problem: format!(
            "`{dir}` builds as a workspace of its own, because `members` in `{root}` names the packages of {name}, and \
             there is no {manifest} here"
        ),
        hint: format!("write one, or add `\"{dir}\"` to `members` there, or take it away: `\"!{dir}\"`"),
    }
}

/// Returns what a directory is if the files that list the packages cannot be read.
fn unknown(root: &Path, dir: &RelPath, mistake: packages::Mistake) -> Membership {
    let packages::Mistake { file, problem, hint, excerpt } = mistake;
    let problem = excerpt.map_or_else(|| format!("{file}: {problem}"), |excerpt| excerpt.to_string());
    Membership::Doubtful {
        problem: format!(
            "`{dir}` builds as a workspace of its own, because it is not known which packages are members of `{}`: \
             {problem}",
            shown(root)
        ),
        hint: hint.unwrap_or_else(|| "correct that file".to_owned()),
    }
}

/// Appends the file that a member directory must contain to each pattern of `members`.
fn member_files<'t>(members: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    members.into_iter().map(|pattern| format!("{}/{FILE_NAME}", pattern.trim_end_matches('/'))).collect()
}

/// Returns the packages of an ecosystem. Reports a file that does not say which they are.
fn packages_of(
    root: &Path,
    report: &mut Report,
    (ecosystem, at): (Ecosystem, &Place),
    note: &mut dyn FnMut(&RelPath),
) -> Option<packages::Read> {
    match packages::read(root, ecosystem, FILE_NAME, note) {
        Ok(found) => Some(found),
        Err(packages::Mistake { file, problem, hint, excerpt }) => {
            let title = format!("the packages of {} are not known: {file}: {problem}", ecosystem.name());
            let hint = hint.unwrap_or_else(|| "correct that file, or list the members as patterns".to_owned());
            let label = format!("means what {file} says");
            match excerpt {
                Some(excerpt) => report.error_elsewhere(title, *excerpt, (at, label)).hint(hint),
                None => report.error(title, at.clone(), label).hint(hint),
            };
            None
        }
    }
}

/// Adds the packages of an ecosystem to those of others.
fn add_packages(packages: &mut Vec<Package>, found: Vec<Package>) {
    let before = packages.len() as u32;
    let shifted = |needs: Vec<u32>| needs.into_iter().map(|need| need + before).collect();
    packages.extend(found.into_iter().map(|package| Package {
        needs: shifted(package.needs),
        lenient: shifted(package.lenient),
        ..package
    }));
}

/// Tells of a directory that looks like a member, and is none.
fn stray(dir: &RelPath, ecosystem: Ecosystem) -> PackageDoubt {
    let (name, manifest) = (ecosystem.name(), ecosystem.manifest());
    PackageDoubt {
        file: dir.child(FILE_NAME.as_bytes()),
        problem: format!("`{dir}` is no member, because {name} takes no directory without a {manifest} for a package"),
        hint: format!("write one, add `\"{dir}\"` to `members`, or take it away there: `\"!{dir}\"`"),
    }
}

/// Reports a list that begins with a `!`, which has nothing to take away from.
fn check_first(report: &mut Report, stated: &[At<Member>]) {
    let Some(first) = stated.first() else { return };
    if first.value.pattern().is_some_and(|pattern| pattern.starts_with('!')) {
        let hint = "name members before it: `members = [\"npm\", \"!pkgs/old\"]`".to_owned();
        report
            .error("the first of `members` takes something away", first.at.clone(), "nothing stands before it")
            .hint(hint);
    }
}

/// Reports a name that may mean an ecosystem or a directory.
fn check_ambiguous(root: &Path, report: &mut Report, ecosystem: Ecosystem, at: &Place) {
    let name = ecosystem.name();
    if root.join(name).join(FILE_NAME).is_file() {
        let title = format!("`{name}` in `members` may mean two things");
        let hint = format!("write `./{name}` for the directory; `members = \"{name}\"` means the packages alone");
        report.error(title, at.clone(), format!("is an ecosystem, and a directory with a {FILE_NAME}")).hint(hint);
    }
}

/// Returns whether `member` is usable. Reports mistakes.
fn check(root: &Path, report: &mut Report, member: &At<Member>) -> bool {
    let Some(pattern) = member.value.pattern() else { return true };
    let at = place(Some(member));
    let set = match PatternSet::parse(&RelPath::root(), &[pattern]) {
        Ok(set) => set,
        Err(error) => {
            report.error("this is not a pattern for members", at, error.kind.to_string()).hint(error.kind.hint());
            return false;
        }
    };
    let named = set.patterns().iter().filter(|pattern| !pattern.negated).filter_map(|pattern| pattern.literal());
    for dir in named {
        let file = dir.child(FILE_NAME.as_bytes());
        if dir.is_root() {
            let hint = "leave it out: tasks of the root file are tasks of the workspace".to_owned();
            report.error("the workspace root is not a member of itself", at, "names the root").hint(hint);
            return false;
        }
        if !file.to_path(root).is_file() {
            let hint = format!("create {file}, or leave the directory out");
            report.error(format!("member `{dir}` has no {FILE_NAME}"), at, "names no member").hint(hint);
            return false;
        }
    }
    true
}

/// Checks a member's directory, which becomes part of its tasks' names.
fn check_dir(report: &mut Report, members: &[At<Member>], dir: &RelPath) -> bool {
    let fits = dir.to_str().is_some_and(|dir| !dir.contains(|c: char| ":[]*?!,".contains(c) || c.is_control()));
    if !fits {
        let title = format!("directory `{dir}` cannot be a member");
        let label = "its name has a character that has a meaning in names of tasks";
        let hint = "rename it, or take it away with a `!` pattern".to_owned();
        report.error(title, place(members.first()), label).hint(hint);
    }
    fits
}

/// Returns the place of a member, which is always in the root file.
fn place(member: Option<&At<Member>>) -> Place {
    member.map_or(Place { file: 0, span: 0..0 }, |member| member.at.clone())
}
