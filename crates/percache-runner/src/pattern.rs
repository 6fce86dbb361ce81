//! Patterns over the paths of the workspace, as `inputs`, `outputs`, `foreach` and `members` state them.
//!
//! `*`, `?`, `[a-z]` and `{a,b}` stay within one component and match names with a leading dot too; `**` stands for any number of
//! components. A pattern that matches a path matches everything below it as well, so a directory means what it contains.
//! Patterns are evaluated in order, `!` takes away, the last one that matches decides.
//!
//! Knows nothing of the file system; `walk` finds the files.

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

use crate::glob::{GlobError, NameGlob, escape, expand_braces, is_plain};
use crate::paths::{PathError, RelPath};

/// A mistake in one of several patterns.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("pattern `{pattern}`: {kind}")]
pub struct PatternError {
    /// Which of the patterns, from 0.
    pub index: usize,
    /// The pattern as written.
    pub pattern: String,
    /// What is wrong.
    pub kind: PatternErrorKind,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternErrorKind {
    /// Nothing is left of it.
    #[error("the pattern is empty")]
    Empty,
    /// It does not stay in the workspace.
    #[error(transparent)]
    Path(#[from] PathError),
    /// `..` where the directory it leaves is not known.
    #[error("`..` cannot stand behind a wildcard")]
    ParentBehindWildcard,
    /// A mistake in a wildcard.
    #[error(transparent)]
    Glob(#[from] GlobError),
}

/// One pattern without braces, relative to the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Whether it takes away what it matches (`!`).
    pub negated: bool,
    /// Which of the patterns given to [`PatternSet::parse`] it comes from; those with braces become several.
    pub index: usize,
    /// The components before the first wildcard.
    prefix: RelPath,
    /// The components from the first wildcard on. Never ends in [`Segment::Deep`].
    rest: Vec<Segment>,
    /// `rest` as written.
    rest_text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// `**`: any number of components, none included.
    Deep,
    Name(NameGlob),
}

/// Ordered patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatternSet {
    patterns: Vec<Pattern>,
}

impl PatternSet {
    /// Reads patterns that stand in a file of the directory `base`.
    ///
    /// # Errors
    /// The first pattern that is malformed or leaves the workspace.
    pub fn parse<S: AsRef<str>>(base: &RelPath, patterns: &[S]) -> Result<Self, PatternError> {
        let mut set = Vec::with_capacity(patterns.len());
        for (index, written) in patterns.iter().map(AsRef::as_ref).enumerate() {
            let parsed = parse_written(base, index, written, &mut set);
            parsed.map_err(|kind| PatternError { index, pattern: written.to_owned(), kind })?;
        }
        Ok(PatternSet { patterns: set })
    }

    /// Whether there is no pattern at all.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The patterns in order.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Whether `path` is meant: by the last pattern that matches it.
    pub fn matches(&self, path: &RelPath) -> bool {
        self.patterns.iter().rev().find(|pattern| pattern.matches(path)).is_some_and(|pattern| !pattern.negated)
    }

    /// Whether something below the directory `dir` may be meant. A walk need not enter directories for which this is false.
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

    /// The paths at and below which everything lies that is meant: sorted, none of them below another.
    pub fn roots(&self) -> Vec<RelPath> {
        let all: BTreeSet<RelPath> = self.positive().map(|(_, pattern)| pattern.prefix.clone()).collect();
        all.iter().filter(|path| !path.ancestors().any(|dir| all.contains(dir))).cloned().collect()
    }

    /// Whether some path may be meant by both sets. Never wrongly false. What a literal names is taken for a file or a directory:
    /// `gen` overlaps with `gen/*.h` and with `**/*.h`.
    pub fn overlaps(&self, other: &PatternSet) -> bool {
        self.positive().any(|(i, ours)| {
            other.positive().any(|(j, theirs)| {
                // Whatever both match lies at or below the longer of the two prefixes.
                let deeper = if ours.prefix.starts_with(&theirs.prefix) { &ours.prefix } else { &theirs.prefix };
                ours.overlaps(theirs) && !self.takes_away(i, deeper) && !other.takes_away(j, deeper)
            })
        })
    }

    fn positive(&self) -> impl Iterator<Item = (usize, &Pattern)> {
        self.patterns.iter().enumerate().filter(|(_, pattern)| !pattern.negated)
    }

    /// Whether `path` and everything below it is taken away again behind the pattern at `position`.
    fn takes_away(&self, position: usize, path: &RelPath) -> bool {
        self.patterns[position + 1..].iter().any(|pattern| pattern.negated && pattern.matches(path))
    }
}

impl Pattern {
    /// The path that it names, when it has no wildcard.
    pub fn literal(&self) -> Option<&RelPath> {
        self.rest.is_empty().then_some(&self.prefix)
    }

    /// The directory (or, for a literal, the path) at or below which everything lies that it matches.
    pub fn prefix(&self) -> &RelPath {
        &self.prefix
    }

    /// Whether it matches `path` or a directory above it.
    pub fn matches(&self, path: &RelPath) -> bool {
        path.below(&self.prefix).is_some_and(|rest| segments_match(&self.rest, rest))
    }

    /// Whether it may match `path` or something below it.
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

    /// Whether some path may match both, `negated` left aside.
    fn overlaps(&self, other: &Pattern) -> bool {
        let (upper, lower) = if self.prefix.starts_with(&other.prefix) { (other, self) } else { (self, other) };
        match lower.prefix.below(&upper.prefix) {
            None => false,
            Some(_) if lower.rest.is_empty() => upper.reaches(&lower.prefix),
            Some(between) => {
                let names = between.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
                let lower = names.map(Part::Literal).chain(lower.rest.iter().map(Part::from)).chain([Part::Deep]);
                parts_meet(
                    &upper.rest.iter().map(Part::from).chain([Part::Deep]).collect::<Vec<_>>(),
                    &lower.collect::<Vec<_>>(),
                )
            }
        }
    }
}

/// The pattern relative to the workspace, with its `!`. Two patterns with one text are the same.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.negated { "!" } else { "" })?;
        if !self.prefix.is_root() || self.rest.is_empty() {
            f.write_str(&escape(&self.prefix.to_string()))?;
        }
        let slash = if self.prefix.is_root() || self.rest.is_empty() { "" } else { "/" };
        write!(f, "{slash}{}", self.rest_text)
    }
}

fn parse_written(base: &RelPath, index: usize, written: &str, set: &mut Vec<Pattern>) -> Result<(), PatternErrorKind> {
    let (negated, text) = written.strip_prefix('!').map_or((false, written), |text| (true, text));
    if is_plain(text) {
        set.push(parse_one(base, index, negated, text)?);
        return Ok(());
    }
    for text in expand_braces(text)? {
        set.push(parse_one(base, index, negated, &text)?);
    }
    Ok(())
}

fn parse_one(base: &RelPath, index: usize, negated: bool, text: &str) -> Result<Pattern, PatternErrorKind> {
    if text.is_empty() {
        return Err(PatternErrorKind::Empty);
    }
    if is_plain(text) {
        return Ok(Pattern { negated, index, prefix: base.join(text)?, rest: Vec::new(), rest_text: String::new() });
    }
    if text.starts_with('/') {
        return Err(PathError::Absolute.into());
    }
    let (mut prefix, mut rest, mut rest_parts) = (String::new(), Vec::new(), Vec::new());
    for part in text.split('/').filter(|part| !matches!(*part, "" | ".")) {
        let segment = match part {
            ".." if rest.is_empty() => {
                prefix.push_str("../");
                continue;
            }
            ".." => return Err(PatternErrorKind::ParentBehindWildcard),
            "**" if rest.last() == Some(&Segment::Deep) => continue,
            "**" => Segment::Deep,
            _ => Segment::Name(NameGlob::parse(part)?),
        };
        if rest.is_empty()
            && let Segment::Name(glob) = &segment
            && let Some(name) = glob.literal()
        {
            prefix.push_str(&name);
            prefix.push('/');
            continue;
        }
        rest.push(segment);
        rest_parts.push(part);
    }
    // `src/**` is what lies below `src`, without `src` itself: one name, and everything below it as always.
    if rest.last() == Some(&Segment::Deep) {
        rest.pop();
        rest.push(Segment::Name(NameGlob::any()));
    }
    Ok(Pattern { negated, index, prefix: base.join(prefix)?, rest, rest_text: rest_parts.join("/") })
}

/// Whether `segments` match `path` or the beginning of it. Goes back to the last `**` only: an earlier one could not do better.
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

#[derive(Clone, Copy)]
enum Part<'a> {
    Deep,
    Literal(&'a [u8]),
    Glob(&'a NameGlob),
}

impl<'a> From<&'a Segment> for Part<'a> {
    fn from(segment: &'a Segment) -> Self {
        match segment {
            Segment::Deep => Part::Deep,
            Segment::Name(glob) => Part::Glob(glob),
        }
    }
}

impl Part<'_> {
    fn is_deep(self) -> bool {
        matches!(self, Part::Deep)
    }

    fn meets(self, other: Part<'_>) -> bool {
        match (self, other) {
            (Part::Deep, _) | (_, Part::Deep) => true,
            (Part::Literal(a), Part::Literal(b)) => a == b,
            (Part::Literal(name), Part::Glob(glob)) | (Part::Glob(glob), Part::Literal(name)) => glob.matches(name),
            (Part::Glob(a), Part::Glob(b)) => a.meets(b),
        }
    }
}

/// Whether one path fits both sequences: which pairs of positions can be reached together, as in the product of two automata.
fn parts_meet(ours: &[Part<'_>], theirs: &[Part<'_>]) -> bool {
    let width = theirs.len() + 1;
    let mut reached = vec![false; (ours.len() + 1) * width];
    reached[0] = true;
    for i in 0..=ours.len() {
        for j in 0..=theirs.len() {
            if !reached[i * width + j] {
                continue;
            }
            let (a, b) = (ours.get(i), theirs.get(j));
            // A `**` ends, or takes one more component of the other side.
            let deep = a.is_some_and(|a| a.is_deep()) || b.is_some_and(|b| b.is_deep());
            if a.is_some() && deep {
                reached[(i + 1) * width + j] = true;
            }
            if b.is_some() && deep {
                reached[i * width + j + 1] = true;
            }
            if let (Some(a), Some(b)) = (a, b)
                && a.meets(*b)
            {
                reached[(i + 1) * width + j + 1] = true;
            }
        }
    }
    reached[reached.len() - 1]
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
