//! Collects the mistakes of all files, in one go, with the texts they point into.
//!
//! Knows nothing of TOML and of what the mistakes mean.

use std::collections::HashSet;
use std::ops::Range;

use crate::model::diagnostic::{Diagnostic, Diagnostics, Label};
use crate::model::path::RelPath;

/// A value as written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At<T> {
    pub value: T,
    pub span: Range<usize>,
}

/// A place in one of the files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Index into the files of the report.
    pub file: usize,
    pub span: Range<usize>,
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    sources: Vec<(RelPath, String)>,
    errors: Vec<(Place, Diagnostic)>,
    /// Lines (by file and the position of their first byte) that are wrong as a whole.
    muted: HashSet<(usize, usize)>,
    /// Every instance of a task repeats the mistake of its table: it is said once.
    seen: HashSet<(Place, String)>,
}

impl Report {
    /// Adds a file; the index names it in every [`Place`].
    pub fn add_source(&mut self, path: RelPath, text: String) -> usize {
        self.sources.push((path, text));
        self.sources.len() - 1
    }

    /// The path of a file, relative to the workspace root.
    pub fn path(&self, file: usize) -> &RelPath {
        &self.sources[file].0
    }

    /// What stands at a place.
    pub fn text(&self, place: &Place) -> &str {
        self.sources[place.file].1.get(place.span.clone()).unwrap_or("")
    }

    /// The paths of all files, in the order in which they were added.
    pub fn paths(&self) -> impl Iterator<Item = &RelPath> {
        self.sources.iter().map(|(path, _)| path)
    }

    /// How many mistakes there are.
    pub fn len(&self) -> usize {
        self.errors.len()
    }

    /// Nothing more is said about the lines of `file` that have a mistake already.
    pub fn mute_lines_of_errors(&mut self, file: usize) {
        let lines = self.errors.iter().filter(|(at, _)| at.file == file).map(|(at, _)| (file, self.line_start(at)));
        let lines: Vec<(usize, usize)> = lines.collect();
        self.muted.extend(lines);
    }

    fn line_start(&self, at: &Place) -> usize {
        self.sources[at.file].1.get(..at.span.start).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1)
    }

    /// Adds a mistake, unless its like was reported for this place.
    pub fn error(&mut self, title: impl Into<String>, at: Place, label: impl Into<String>) -> Mistake<'_> {
        let title = title.into();
        let muted = !self.muted.is_empty() && self.muted.contains(&(at.file, self.line_start(&at)));
        let new = !muted && self.seen.insert((at.clone(), label_key(&title)));
        let first = self.label(&at, label.into());
        let diagnostic = Diagnostic { title: one_line(&title), labels: vec![first], hint: None };
        Mistake { report: self, diagnostic: new.then_some((at, diagnostic)) }
    }

    fn label(&self, at: &Place, text: String) -> Label {
        Label { file: self.path(at.file).clone(), span: at.span.clone(), text }
    }

    /// Everything that was found, in order of file and position.
    pub fn finish(mut self) -> Diagnostics {
        self.errors.sort_by_key(|(at, _)| (at.file, at.span.start));
        Diagnostics { errors: self.errors.into_iter().map(|(_, error)| error).collect(), sources: self.sources }
    }
}

/// A title whose quotes are short: what somebody has forgotten to close may be the rest of the file.
fn one_line(title: &str) -> String {
    const QUOTED: usize = 80;
    let quoted = |part: &str| {
        let line: String = part.chars().take_while(|char| *char != '\n').take(QUOTED).collect();
        if line.len() < part.len() { line.trim_end().to_owned() + "…" } else { line }
    };
    let parts = title.split('`').enumerate().map(|(i, part)| if i % 2 == 1 { quoted(part) } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("`").replace('\n', " ")
}

/// The same words about another instance of a task are the same mistake.
fn label_key(title: &str) -> String {
    title.split('`').step_by(2).collect()
}

/// A mistake that is being described; it is reported when dropped.
pub(super) struct Mistake<'r> {
    report: &'r mut Report,
    diagnostic: Option<(Place, Diagnostic)>,
}

impl Mistake<'_> {
    /// Adds another place that matters.
    pub fn also(mut self, at: &Place, text: impl Into<String>) -> Self {
        if let Some((_, diagnostic)) = &mut self.diagnostic {
            diagnostic.labels.push(self.report.label(at, text.into()));
        }
        self
    }

    /// Says what to do about it.
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        if let Some((_, diagnostic)) = &mut self.diagnostic {
            diagnostic.hint = hint.into();
        }
        self
    }
}

impl Drop for Mistake<'_> {
    fn drop(&mut self) {
        self.report.errors.extend(self.diagnostic.take());
    }
}
