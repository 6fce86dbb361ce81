//! Glob patterns over the paths of the workspace, for `inputs`, `outputs`, `foreach` and `members`.
//!
//! `*`, `?`, `[a-z]` and `{a,b}` stay within one component and match names with a leading dot too; `**` matches any
//! number of components. A pattern that matches a path also matches everything below it, so a directory stands for its
//! contents. Patterns are evaluated in order, `!` excludes, and the last pattern that matches decides.
//!
//! Knows nothing of the file system; `walk` finds the files.

mod foreign;
mod kept;
mod overlap;
mod parse;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::path::RelPath;
use crate::syntax::glob::{NameGlob, escape};

pub use foreign::foreign;
use overlap::{Unsaid, overlap};
pub use parse::PatternError;

/// One pattern without braces, relative to the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Whether it excludes what it matches (`!`).
    pub negated: bool,
    /// The position of the written pattern among those given to [`PatternSet::parse`]; a pattern with braces becomes
    /// several.
    pub index: usize,
    /// Whether it explicitly means a directory: it ends in `/` or `/**`.
    pub directory: bool,
    /// The components before the first wildcard.
    prefix: RelPath,
    /// The components from the first wildcard on. Never ends in [`Segment::Deep`].
    rest: Vec<Segment>,
    /// The text of `rest`, as written.
    rest_text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// `**`: any number of components, none included.
    Deep,
    Name(NameGlob),
}

/// An ordered list of patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatternSet {
    patterns: Vec<Pattern>,
    /// For outputs: directories that may be symlinks out of the workspace, with outputs below them.
    follow: Vec<RelPath>,
}

impl PatternSet {
    /// Parses patterns that are written in a file of the directory `base`.
    ///
    /// # Errors
    /// Returns the first pattern that is malformed or leaves the workspace.
    pub fn parse<S: AsRef<str>>(base: &RelPath, patterns: &[S]) -> Result<Self, PatternError> {
        let mut set = Vec::with_capacity(patterns.len());
        for (index, written) in patterns.iter().map(AsRef::as_ref).enumerate() {
            let parsed = parse::parse_written(base, index, written, &mut set);
            parsed.map_err(|kind| PatternError { index, pattern: written.to_owned(), kind })?;
        }
        Ok(PatternSet { patterns: set, follow: Vec::new() })
    }

    /// Returns the same patterns as outputs that may lie outside the workspace where these directories are symlinks.
    pub fn following(self, follow: &[RelPath]) -> Self {
        PatternSet { follow: follow.to_vec(), ..self }
    }

    /// Returns the same patterns, each with the position `places` has for its own.
    pub fn renumbered(mut self, places: &[usize]) -> Self {
        for pattern in &mut self.patterns {
            pattern.index = places.get(pattern.index).copied().unwrap_or(pattern.index);
        }
        self
    }

    /// Returns the directories through which these outputs may lie outside the workspace.
    pub fn follow(&self) -> &[RelPath] {
        &self.follow
    }

    /// Returns whether `path` must be a directory, because a pattern continues below it or ends in `/` or `/**`.
    pub fn passes(&self, path: &RelPath) -> bool {
        self.positive().any(|(_, pattern)| {
            let through = pattern.directory || pattern.literal().is_none();
            pattern.prefix.below(path).is_some_and(|rest| !rest.is_empty() || through)
        })
    }

    /// Returns these patterns, but treats a literal pattern as if it ended in `/` where `is_directory` says so.
    pub fn with_directories(&self, is_directory: &dyn Fn(&RelPath) -> bool) -> Cow<'_, PatternSet> {
        let may_be = |pattern: &Pattern| !pattern.negated && !pattern.directory && pattern.literal().is_some();
        let is_one = |pattern: &Pattern| may_be(pattern) && pattern.literal().is_some_and(is_directory);
        let these: Vec<bool> = self.patterns.iter().map(is_one).collect();
        if !these.contains(&true) {
            return Cow::Borrowed(self);
        }
        let mut set = self.clone();
        for (pattern, is_directory) in set.patterns.iter_mut().zip(these) {
            pattern.directory |= is_directory;
        }
        Cow::Owned(set)
    }

    /// Returns whether there are no patterns at all.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Yields the paths that are named without wildcards and not excluded, in order.
    pub fn literals(&self) -> impl Iterator<Item = &RelPath> {
        let named = self.positive().filter_map(|(_, pattern)| pattern.literal());
        named.filter(|path| self.matches(path))
    }

    /// Returns the patterns in order.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Separates the literal patterns for which `paths` holds from the rest. Many sets differ in these alone.
    pub fn split_off(&self, paths: &dyn Fn(&RelPath) -> bool) -> (Vec<&RelPath>, PatternSet) {
        let named = |pattern: &Pattern| !pattern.negated && pattern.literal().is_some_and(paths);
        let literals = self.patterns.iter().filter(|pattern| named(pattern)).filter_map(Pattern::literal).collect();
        let rest = self.patterns.iter().filter(|pattern| !named(pattern)).cloned().collect();
        (literals, PatternSet { patterns: rest, follow: self.follow.clone() })
    }

    /// Returns whether `path` is included, as decided by the last pattern that matches it.
    pub fn matches(&self, path: &RelPath) -> bool {
        self.decision(path).unwrap_or_default()
    }

    /// Returns whether the last pattern that matches `path` includes it, or `None` if no pattern matches.
    pub fn decision(&self, path: &RelPath) -> Option<bool> {
        self.patterns.iter().rev().find(|pattern| pattern.matches(path)).map(|pattern| !pattern.negated)
    }

    /// Returns whether the last word on the directory `dir` is an exclusion of everything in it (`!dir/**`): nothing of
    /// it is meant then, and so it is not meant itself, although the exclusion does not match it.
    pub fn excludes_all_below(&self, dir: &RelPath) -> bool {
        let takes_all = |pattern: &Pattern| {
            let whole = pattern.rest.last().is_some_and(|last| *last == Segment::Name(NameGlob::any()));
            pattern.negated && pattern.directory && whole && pattern.matches(&dir.child(b"x"))
        };
        let last = self.patterns.iter().rev().find(|pattern| pattern.matches(dir) || takes_all(pattern));
        last.is_some_and(|last| last.negated)
    }

    /// Returns whether something below the directory `dir` may be included. A walk can skip directories for which this
    /// is false.
    pub fn enters(&self, dir: &RelPath) -> bool {
        for pattern in self.patterns.iter().rev() {
            if !pattern.negated && pattern.reaches(dir) {
                return true;
            }
            if pattern.negated && pattern.matches(dir) {
                return false;
            }
        }
        false
    }

    /// Returns the paths that everything included lies at or below: sorted, none of them below another.
    pub fn roots(&self) -> Vec<RelPath> {
        let all: BTreeSet<RelPath> = self.positive().map(|(_, pattern)| pattern.prefix.clone()).collect();
        all.iter().filter(|path| !path.ancestors().any(|dir| all.contains(dir))).cloned().collect()
    }

    /// Returns whether some path may be included in both sets. Has no false negatives: a literal may be a file or a
    /// directory, so `gen` overlaps with `gen/*.h` and with `**/*.h`.
    pub fn overlaps(&self, other: &PatternSet) -> bool {
        self.overlaps_if(other, Unsaid::FileOrDirectory)
    }

    /// Like [`overlaps`](Self::overlaps), but takes a literal for a file unless it ends in `/` or `/**`, or the other
    /// pattern has a component for it and continues below. So `gen` overlaps with `gen/*.h` and with `*/a.h`, but with
    /// `**/*.h` only if written `gen/`.
    pub fn overlaps_as_named(&self, other: &PatternSet) -> bool {
        self.overlaps_if(other, Unsaid::File)
    }

    fn overlaps_if(&self, other: &PatternSet, unsaid: Unsaid) -> bool {
        self.positive().any(|(i, ours)| {
            other.positive().any(|(j, theirs)| {
                // Whatever both match lies at or below the longer of the two prefixes.
                let deeper = if ours.prefix.starts_with(&theirs.prefix) { &ours.prefix } else { &theirs.prefix };
                overlap(ours, theirs, unsaid) && !self.takes_away(i, deeper) && !other.takes_away(j, deeper)
            })
        })
    }

    /// Returns the wildcard patterns, with braces expanded, for which `matched` says no. A pattern with braces counts
    /// only if `matched` says no to each of its expansions.
    pub fn unmatched(&self, mut matched: impl FnMut(&Pattern) -> bool) -> Vec<String> {
        let same = |a: &&Pattern, b: &&Pattern| a.index == b.index;
        let patterns: Vec<&Pattern> = self.positive().map(|(_, pattern)| pattern).collect();
        let written = patterns.chunk_by(same).filter(|all| all.iter().all(|pattern| pattern.literal().is_none()));
        let unmatched = written.filter(|all| !all.iter().any(|pattern| matched(pattern)));
        unmatched.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("`, `")).collect()
    }

    fn positive(&self) -> impl Iterator<Item = (usize, &Pattern)> {
        self.patterns.iter().enumerate().filter(|(_, pattern)| !pattern.negated)
    }

    /// Returns whether a pattern after `position` excludes `path` and everything below it.
    fn takes_away(&self, position: usize, path: &RelPath) -> bool {
        self.patterns[position + 1..].iter().any(|pattern| pattern.negated && pattern.matches(path))
    }
}

impl Pattern {
    /// Returns the path that it names, if it has no wildcard.
    pub fn literal(&self) -> Option<&RelPath> {
        self.rest.is_empty().then_some(&self.prefix)
    }

    /// Returns the directory (or, for a literal, the path) that everything it matches lies at or below.
    pub fn prefix(&self) -> &RelPath {
        &self.prefix
    }

    /// Returns whether it matches `path` or a directory above it.
    pub fn matches(&self, path: &RelPath) -> bool {
        path.below(&self.prefix).is_some_and(|rest| segments_match(&self.rest, rest))
    }

    /// Like [`PatternSet::overlaps_as_named`], for two patterns, ignoring `negated`.
    pub fn overlaps_as_named(&self, other: &Pattern) -> bool {
        overlap(self, other, Unsaid::File)
    }

    /// Returns whether it may match `path` or something below it.
    pub fn reaches(&self, path: &RelPath) -> bool {
        let Some(mut rest) = path.below(&self.prefix) else { return self.prefix.starts_with(path) };
        for segment in &self.rest {
            let Segment::Name(glob) = segment else { return true };
            if rest.is_empty() {
                return true;
            }
            let (name, tail) = split_first(rest);
            if !glob.matches(name) {
                return false;
            }
            rest = tail;
        }
        true
    }
}

/// Writes the pattern relative to the workspace, with its `!`. Patterns with the same text are equal.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.negated { "!" } else { "" })?;
        if !self.prefix.is_root() || self.rest.is_empty() {
            f.write_str(&escape(&self.prefix.to_text()))?;
        }
        let slash = match self.prefix.is_root() || self.rest.is_empty() {
            // So that it is not read as an exclusion.
            true if !self.negated && self.rest_text.starts_with('!') => "./",
            true => "",
            false => "/",
        };
        write!(f, "{slash}{}", self.rest_text)?;
        let last = self.rest_text.rsplit('/').next();
        let said = last == Some("**") || (self.prefix.is_root() && self.rest.is_empty());
        f.write_str(if self.directory && !said { "/" } else { "" })
    }
}

/// Returns whether `segments` match `path` or a leading part of it. Backtracks to the last `**` only: an earlier one
/// could not do better.
fn segments_match(segments: &[Segment], path: &[u8]) -> bool {
    let (mut at, mut rest) = (0, path);
    let mut retry: Option<(usize, &[u8])> = None;
    loop {
        match segments.get(at) {
            None => return true,
            Some(Segment::Deep) => {
                at += 1;
                retry = Some((at, rest));
                continue;
            }
            Some(Segment::Name(_)) if rest.is_empty() => return false,
            Some(Segment::Name(glob)) => {
                let (name, tail) = split_first(rest);
                if glob.matches(name) {
                    (at, rest) = (at + 1, tail);
                    continue;
                }
            }
        }
        let Some((start, from)) = &mut retry else { return false };
        *from = split_first(from).1;
        (at, rest) = (*start, *from);
    }
}

fn split_first(path: &[u8]) -> (&[u8], &[u8]) {
    memchr::memchr(b'/', path).map_or((path, &[]), |slash| (&path[..slash], &path[slash + 1..]))
}

#[cfg(test)]
mod tests;
