//! What differs between two lists of parts: why a task runs again.
//!
//! Data first; the one-line form is for people. Knows nothing of how the parts came about.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use percache::Digest;

use crate::contents::Contents;
use crate::difference::Difference;
use crate::fingerprint::{Kind, Part, Parts, Value};
use crate::observe::FileState;

/// Of so many changes of one task it is worth finding out which lines they are.
const LOOKED_INTO: usize = 20;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub kind: Kind,
    /// Which one.
    pub name: Vec<u8>,
    /// What it was; `None` when it did not exist.
    pub old: Option<Value>,
    /// What it is; `None` when it does not exist any more.
    pub new: Option<Value>,
    /// Who it is, where the name does not tell.
    pub remark: String,
    /// Of a file: which lines, if somebody still has both texts. See [`locate`].
    pub lines: Option<Arc<Difference>>,
}

/// The differences, in the order of [`Kind`] and name.
pub fn compare(old: &Parts, new: &Parts) -> Vec<Change> {
    let (mut before, mut after) = (by_name(old), by_name(new));
    // A declared input that is discovered now, or the other way round, is no change by itself.
    let names: Vec<_> = before.keys().chain(after.keys()).cloned().collect();
    let mut changes = Vec::new();
    for key in names {
        let (old, new) = (before.remove(&key).unwrap_or_default(), after.remove(&key).unwrap_or_default());
        let gone = old.iter().filter(|part| !new.iter().any(|other| other.value == part.value));
        let mut come = new.iter().filter(|part| !old.iter().any(|other| other.value == part.value)).copied();
        for part in gone {
            changes.push(change(Some(*part), come.next()));
        }
        changes.extend(come.map(|part| change(None, Some(part))));
    }
    changes.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    changes
}

fn by_name(parts: &Parts) -> BTreeMap<(Kind, Vec<u8>), Vec<&Part>> {
    let mut named: BTreeMap<_, Vec<&Part>> = BTreeMap::new();
    for part in parts.iter() {
        let kind = if part.kind == Kind::Discovered { Kind::Input } else { part.kind };
        named.entry((kind, part.name.clone())).or_default().push(part);
    }
    named
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
    }
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
    fn is_there(value: &Option<Value>) -> bool {
        !matches!(value, None | Some(Value::Unset | Value::File(FileState::Absent)))
    }

    /// `changed`, `is new`, `is gone`; of what neither was there nor is, whether it is asked for.
    pub fn verb(&self) -> &'static str {
        match (Change::is_there(&self.old), Change::is_there(&self.new)) {
            (false, true) => "is new",
            (true, false) => "is gone",
            (false, false) if self.old.is_none() => "is declared now",
            (false, false) if self.new.is_none() => "is not declared any more",
            _ => "changed",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = String::from_utf8_lossy(&self.name);
        let verb = self.verb();
        match self.kind {
            Kind::Command => f.write_str("its command changed"),
            Kind::Cwd => f.write_str("its directory changed"),
            Kind::Outputs => f.write_str("its outputs changed"),
            Kind::Depfile => f.write_str("its depfile changed"),
            Kind::Streams => f.write_str("how its log is kept changed"),
            Kind::Env => write!(f, "variable {name} {verb}"),
            Kind::Tool => write!(f, "`{name}` {verb}"),
            Kind::Dependency => write!(f, "dependency `{}` {verb}", self.remark),
            Kind::Input | Kind::Discovered => {
                write!(f, "{name} {verb}")?;
                self.lines.iter().try_for_each(|lines| write!(f, ", line {}", lines.first))
            }
        }
    }
}

/// The first change, and how many more there are: a reason in one line.
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
            "variable CFLAGS is gone",
            "`cc --version` changed",
            "a.c changed",
            "b.c is gone",
            "c.c is new",
            "nowhere.c is declared now",
        ];
        assert_eq!(lines(old, new), expected);
    }

    #[test]
    fn an_input_that_was_discovered_before_is_no_change() {
        let old = vec![Part::new(Kind::Discovered, "a.h", file("1"))];
        let new = vec![Part::new(Kind::Input, "a.h", file("1"))];
        assert_eq!(lines(old, new), [""; 0]);
    }
}
