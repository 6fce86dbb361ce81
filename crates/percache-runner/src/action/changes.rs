//! The differences between two lists of fingerprint parts, which explain why a task runs again.
//!
//! Data first; the one-line form is for people. Knows nothing about where the parts come from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use percache::Digest;

use crate::fs::stat_cache::FileState;
use crate::key::fingerprint::{Kind, Part, Parts, Value};
use crate::model::External;
use crate::model::path::RelPath;
use crate::syntax::data::{differences, split};
use crate::syntax::line_diff::Difference;
use crate::syntax::shown::shown_bytes;
use crate::worktree::old_contents::Contents;

/// For so many changes of one task, the changed lines are looked up.
const LOOKED_INTO: usize = 20;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The kind of part that changed.
    pub kind: Kind,
    /// The name of the part.
    pub name: Vec<u8>,
    /// The old value; `None` if the part did not exist.
    pub old: Option<Value>,
    /// The new value; `None` if the part no longer exists.
    pub new: Option<Value>,
    /// A description for people, where the name does not identify the part.
    pub remark: String,
    /// For a file, the changed lines, if both texts are still available. See [`locate`].
    pub lines: Option<Arc<Difference>>,
    /// For a part of a file, how its values changed: `train.lr: 0.1 → 0.2`.
    pub values: Vec<String>,
    /// For a part that no longer counts, whether the file or variable itself still exists. See [`settle`].
    pub remains: bool,
}

/// Returns the differences, ordered by [`Kind`] and name.
pub fn compare(old: &Parts, new: &Parts) -> Vec<Change> {
    let (mut before, mut after) = (by_name(old), by_name(new));
    // A declared input that is now discovered, or the other way round, has not changed.
    let names: Vec<_> = before.keys().chain(after.keys()).cloned().collect();
    let mut changes = Vec::new();
    for key in names {
        let (old, new) = (before.remove(&key).unwrap_or_default(), after.remove(&key).unwrap_or_default());
        let gone = old.iter().filter(|part| !new.iter().any(|other| other.value == part.value));
        let mut come: Vec<&Part> =
            new.iter().filter(|part| !old.iter().any(|other| other.value == part.value)).copied().collect();
        for part in gone {
            // Dependencies have no name except the remark, which is not hashed.
            let successor = come.iter().position(|other| part.kind != Kind::Dependency || other.remark == part.remark);
            changes.push(change(Some(*part), successor.map(|position| come.remove(position))));
        }
        changes.extend(come.into_iter().map(|part| change(None, Some(part))));
    }
    changes.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    changes
}

fn by_name(parts: &Parts) -> BTreeMap<(Kind, Vec<u8>), Vec<&Part>> {
    let mut named: BTreeMap<_, Vec<&Part>> = BTreeMap::new();
    for part in parts.iter() {
        let kind = if part.kind == Kind::Discovered { Kind::Input } else { part.kind };
        let same: &mut Vec<&Part> = named.entry((kind, part.name.clone())).or_default();
        // An input that is both declared and discovered counts once.
        if part.kind == Kind::Dependency || !same.iter().any(|other| other.value == part.value) {
            same.push(part);
        }
    }
    named
}

/// Returns the differences between two results of a task that can be the reason for the later one. Which files a run
/// discovers follows from what it reads: files that only one of the two discovered count as a reason only if there is
/// no other.
pub fn between(old: &Parts, new: &Parts) -> Vec<Change> {
    let followed = |change: &Change| change.kind == Kind::Discovered && (change.old.is_none() || change.new.is_none());
    let (findings, reasons): (Vec<_>, Vec<_>) = compare(old, new).into_iter().partition(followed);
    if reasons.is_empty() { findings } else { reasons }
}

/// Finds out, for each part that no longer counts, whether the file or variable still exists: a file that is taken out
/// of `inputs` is not gone.
pub fn settle(changes: &mut [Change], is_there: &dyn Fn(&Change) -> bool) {
    for change in changes.iter_mut().filter(|change| change.new.is_none()) {
        change.remains = is_there(change);
    }
}

fn change(old: Option<&Part>, new: Option<&Part>) -> Change {
    let part = new.or(old);
    Change {
        kind: part.map_or(Kind::Command, |part| part.kind),
        name: part.map(|part| part.name.clone()).unwrap_or_default(),
        old: old.map(|part| part.value.clone()),
        new: new.map(|part| part.value.clone()),
        remark: part.map(|part| part.remark.clone()).unwrap_or_default(),
        lines: None,
        values: values(old, new),
        remains: false,
    }
}

/// Returns how the values of a part of a file changed, if both are known.
fn values(old: Option<&Part>, new: Option<&Part>) -> Vec<String> {
    let (Some(old), Some(new)) = (old, new) else { return Vec::new() };
    if new.kind != Kind::FilePart || old.remark.is_empty() || new.remark.is_empty() {
        return Vec::new();
    }
    let name = String::from_utf8_lossy(&new.name);
    let key = split(&name).map_or("", |(_, key, _)| key);
    differences(key, &old.remark, &new.remark)
}

/// Finds out which lines changed.
pub fn locate(changes: &mut [Change], contents: &Contents<'_>) {
    let content = |value: &Option<Value>| match value {
        Some(Value::File(FileState::File { digest, .. })) => Some(*digest),
        Some(Value::File(FileState::Symlink { behind, .. })) => behind.digest(),
        _ => None,
    };
    let is_input = |change: &&mut Change| matches!(change.kind, Kind::Input | Kind::Discovered);
    for change in changes.iter_mut().filter(is_input).take(LOOKED_INTO) {
        let digests: (Option<Digest>, Option<Digest>) = (content(&change.old), content(&change.new));
        if let (Some(old), Some(new)) = digests
            && old != new
        {
            change.lines = contents.difference(&change.name, &old, &new);
        }
    }
}

impl Change {
    /// Returns the path that it is about, if that is in the workspace.
    pub fn path(&self) -> Option<RelPath> {
        let file = std::str::from_utf8(&self.name).ok().and_then(split).map(|(file, ..)| file.as_bytes());
        RelPath::new(file.filter(|_| self.kind == Kind::FilePart).unwrap_or(&self.name)).ok()
    }

    /// Returns whether the file that an external input or a part of a file is about exists now.
    pub fn remains_at(&self, root: &Path) -> bool {
        let name = String::from_utf8_lossy(&self.name);
        let location = match self.path() {
            Some(path) => path.to_path(root),
            None => External(name.into_owned()).location(root),
        };
        location.exists()
    }

    fn is_there(value: &Option<Value>) -> bool {
        !matches!(value, None | Some(Value::Unset | Value::File(FileState::Absent)))
    }

    /// Returns a verb phrase for the change: `changed`, `is new`, `is gone`, and so on.
    pub fn verb(&self) -> &'static str {
        let unset = |value: &Option<Value>| *value == Some(Value::Unset);
        match (self.kind, Change::is_there(&self.old), Change::is_there(&self.new)) {
            (Kind::Dependency, false, _) => "counts by its key now",
            (Kind::Dependency, _, false) => "does not count by its key any more",
            // Whether the tool exists is unknown; its declaration is what was added or removed.
            (Kind::Tool, false, _) | (_, false, false) if self.old.is_none() => "is declared now",
            (Kind::Tool, _, false) | (_, false, false) if self.new.is_none() => "is not declared any more",
            (Kind::Env, false, true) if unset(&self.old) => "is set now",
            (Kind::Env, true, false) if unset(&self.new) || !self.remains => "is not set any more",
            (Kind::Env, true, false) => "does not count any more",
            (Kind::Discovered, true, false) if self.remains => "is not read any more",
            (_, true, false) if self.remains => "is no input any more",
            (_, false, true) => "is new",
            (_, true, false) => "is gone",
            _ => self.change_of_nature().unwrap_or("changed"),
        }
    }

    /// Returns a verb phrase for a file that changed in something other than its content.
    fn change_of_nature(&self) -> Option<&'static str> {
        let (Some(Value::File(old)), Some(Value::File(new))) = (&self.old, &self.new) else { return None };
        Some(match (old, new) {
            (FileState::File { digest: old, executable }, FileState::File { digest: new, .. }) if old == new => {
                if *executable {
                    "is not executable any more"
                } else {
                    "is executable now"
                }
            }
            (FileState::Symlink { target: old, .. }, FileState::Symlink { target: new, .. }) if old != new => {
                "leads elsewhere now"
            }
            (FileState::Symlink { .. }, FileState::Symlink { .. })
            | (FileState::File { .. }, FileState::File { .. }) => {
                return None;
            }
            (_, FileState::File { .. }) => "is a file now",
            (_, FileState::Symlink { .. }) => "is a symlink now",
            (_, FileState::Directory) => "is a directory now",
            _ => return None,
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = shown_bytes(&self.name);
        let verb = self.verb();
        match self.kind {
            Kind::Command => f.write_str("its command changed"),
            // These name the keys of the configuration: the files themselves may be unchanged.
            Kind::Cwd => f.write_str("its `cwd` changed"),
            Kind::Outputs => f.write_str("its `outputs` changed"),
            Kind::Depfile => f.write_str("its `depfile` changed"),
            Kind::Streams => f.write_str("how its log is kept changed"),
            Kind::Env => write!(f, "variable {name} {verb}"),
            Kind::Tool => write!(f, "`{name}` {verb}"),
            Kind::Dependency => write!(f, "dependency `{}` {verb}", self.remark),
            Kind::External => write!(f, "{name}, outside of the workspace, {verb}"),
            Kind::FilePart => {
                write!(f, "{name} {verb}")?;
                let first = self.values.first().map(|first| format!(": {first}"));
                let more = self.values.len().saturating_sub(1);
                let more = (more > 0).then(|| format!(" and {more} more"));
                write!(f, "{}{}", first.unwrap_or_default(), more.unwrap_or_default())
            }
            Kind::Input | Kind::Discovered => {
                write!(f, "{name} {verb}")?;
                self.lines.iter().try_for_each(|lines| write!(f, ", line {}", lines.first))
            }
        }
    }
}

/// Returns a reason in one line: the first change, and how many more there are.
pub fn summary(changes: &[Change]) -> Option<String> {
    let first = changes.first()?;
    Some(match changes.len() - 1 {
        0 => first.to_string(),
        more => format!("{first}, and {more} more"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Value {
        Value::File(FileState::File { digest: Digest::of(text.as_bytes()), executable: false })
    }

    fn lines(old: Vec<Part>, new: Vec<Part>) -> Vec<String> {
        compare(&Parts::new(old), &Parts::new(new)).iter().map(Change::to_string).collect()
    }

    #[test]
    fn each_kind_of_change_has_its_words() {
        let old = vec![
            Part::new(Kind::Command, "", Value::Text(b"cc a.c".into())),
            Part::new(Kind::Env, "CFLAGS", Value::Digest(Digest::of(b"-O1"))),
            Part::new(Kind::Input, "a.c", file("1")),
            Part::new(Kind::Input, "b.c", file("1")),
            Part::new(Kind::Input, "same.c", file("1")),
            Part::new(Kind::Tool, "cc --version", Value::Digest(Digest::of(b"12"))),
        ];
        let new = vec![
            Part::new(Kind::Command, "", Value::Text(b"cc -O2 a.c".into())),
            Part::new(Kind::Env, "CFLAGS", Value::Unset),
            Part::new(Kind::Input, "a.c", file("2")),
            Part::new(Kind::Input, "c.c", file("1")),
            Part::new(Kind::Input, "nowhere.c", Value::File(FileState::Absent)),
            Part::new(Kind::Input, "same.c", file("1")),
            Part::new(Kind::Tool, "cc --version", Value::Digest(Digest::of(b"13"))),
        ];
        let expected = [
            "its command changed",
            "variable CFLAGS is not set any more",
            "`cc --version` changed",
            "a.c changed",
            "b.c is gone",
            "c.c is new",
            "nowhere.c is declared now",
        ];
        assert_eq!(lines(old, new), expected);
    }

    #[test]
    fn what_does_not_count_any_more_is_gone_only_if_it_is() {
        let old = vec![
            Part::new(Kind::Env, "CC", Value::Digest(Digest::of(b"gcc"))),
            Part::new(Kind::Tool, "cc --version", Value::Digest(Digest::of(b"12"))),
            Part::new(Kind::Input, "a.c", file("1")),
            Part { remark: "x".into(), ..Part::new(Kind::Dependency, "", Value::Digest(Digest::of(b"x"))) },
        ];
        let mut changes = compare(&Parts::new(old), &Parts::default());
        let said = |changes: &[Change]| changes.iter().map(Change::to_string).collect::<Vec<_>>();
        let dependency = "dependency `x` does not count by its key any more";
        let gone =
            ["variable CC is not set any more", "`cc --version` is not declared any more", "a.c is gone", dependency];
        assert_eq!(said(&changes), gone);
        settle(&mut changes, &|_| true);
        let there = [
            "variable CC does not count any more",
            "`cc --version` is not declared any more",
            "a.c is no input any more",
            dependency,
        ];
        assert_eq!(said(&changes), there);
    }

    #[test]
    fn dependencies_are_told_apart_by_their_names() {
        let part = |name: &str, key: &[u8]| Part {
            remark: name.into(),
            ..Part::new(Kind::Dependency, "", Value::Digest(Digest::of(key)))
        };
        let old = vec![part("a", b"1"), part("b", b"2")];
        assert_eq!(lines(old.clone(), vec![part("a", b"1"), part("renamed", b"2")]), [""; 0]);
        assert_eq!(
            lines(old, vec![part("b", b"3")]),
            ["dependency `a` does not count by its key any more", "dependency `b` changed"]
        );
    }

    #[test]
    fn a_file_that_is_of_another_nature_did_not_just_change() {
        let one = |state: FileState| vec![Part::new(Kind::Input, "a", Value::File(state))];
        let executable = FileState::File { digest: Digest::of(b"1"), executable: true };
        let plain = FileState::File { digest: Digest::of(b"1"), executable: false };
        assert_eq!(lines(one(plain.clone()), one(executable.clone())), ["a is executable now"]);
        assert_eq!(lines(one(executable), one(plain.clone())), ["a is not executable any more"]);
        let link =
            |target: &str| FileState::Symlink { target: target.into(), behind: crate::fs::stat_cache::Behind::Nothing };
        assert_eq!(lines(one(plain), one(link("b"))), ["a is a symlink now"]);
        assert_eq!(lines(one(link("b")), one(link("c"))), ["a leads elsewhere now"]);
    }

    #[test]
    fn what_a_run_discovered_is_no_reason_for_it() {
        let parts = |text: &str, header: &str| {
            let found = Part::new(Kind::Discovered, header, file("h"));
            Parts::new(vec![Part::new(Kind::Input, "a.c", file(text)), found])
        };
        let said = |old: &Parts, new: &Parts| between(old, new).iter().map(Change::to_string).collect::<Vec<_>>();
        assert_eq!(said(&parts("1", "a.h"), &parts("2", "b.h")), ["a.c changed"]);
        assert_eq!(said(&parts("1", "a.h"), &parts("1", "b.h")), ["a.h is gone", "b.h is new"]);
    }

    #[test]
    fn an_input_that_was_discovered_before_is_no_change() {
        let old = vec![Part::new(Kind::Discovered, "a.h", file("1"))];
        let new = vec![Part::new(Kind::Input, "a.h", file("1"))];
        assert_eq!(lines(old.clone(), new.clone()), [""; 0]);
        // An edit of an input that is both declared and discovered is one change.
        let changed = [Kind::Input, Kind::Discovered].map(|kind| Part::new(kind, "a.h", file("2")));
        assert_eq!(lines(old, changed.into()), ["a.h changed"]);
    }
}
