//! Collects the mistakes of all files, with the texts they point into.
//!
//! Knows nothing of TOML and of what the mistakes mean.

use std::collections::HashSet;
use std::ops::Range;

use crate::model::diagnostic::{Diagnostic, Diagnostics, Excerpt, Label};
use crate::model::path::RelPath;

/// A value as written, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At<T> {
    pub value: T,
    pub at: Place,
}

/// A place in one of the files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// An index into the files of the report.
    pub file: usize,
    pub span: Range<usize>,
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    sources: Vec<(RelPath, String)>,
    /// Files that are no configuration and have mistakes all the same.
    others: Vec<(RelPath, String)>,
    errors: Vec<(Place, Diagnostic)>,
    /// Lines (by file and the position of their first byte) that are broken, so that further mistakes on them are not
    /// reported.
    muted: HashSet<(usize, usize)>,
    /// Mistakes that were reported, because every instance of a task repeats those of its table.
    seen: HashSet<(Place, String)>,
}

impl Report {
    /// Adds a file. Returns its index, which a [`Place`] refers to.
    pub fn add_source(&mut self, path: RelPath, text: String) -> usize {
        self.sources.push((path, text));
        self.sources.len() - 1
    }

    /// Returns the path of a file, relative to the workspace root.
    pub fn path(&self, file: usize) -> &RelPath {
        &self.sources[file].0
    }

    /// Returns the text at a place.
    pub fn text(&self, place: &Place) -> &str {
        self.sources[place.file].1.get(place.span.clone()).unwrap_or("")
    }

    /// Returns a place as `percache.toml:14`.
    pub fn line(&self, place: &Place) -> String {
        let (path, text) = &self.sources[place.file];
        let before = text.get(..place.span.start).unwrap_or_default();
        format!("{path}:{}", before.matches('\n').count() + 1)
    }

    /// Yields the paths of all files, in the order in which they were added.
    pub fn paths(&self) -> impl Iterator<Item = &RelPath> {
        self.sources.iter().map(|(path, _)| path)
    }

    /// Returns the number of mistakes.
    pub fn len(&self) -> usize {
        self.errors.len()
    }

    /// Suppresses further mistakes on lines of `file` that already have one.
    pub fn mute_lines_of_errors(&mut self, file: usize) {
        let lines = self.errors.iter().filter(|(at, _)| at.file == file).map(|(at, _)| (file, self.line_start(at)));
        let lines: Vec<(usize, usize)> = lines.collect();
        self.muted.extend(lines);
    }

    fn line_start(&self, at: &Place) -> usize {
        self.sources[at.file].1.get(..at.span.start).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1)
    }

    /// Adds a mistake, unless a similar one was reported for this place.
    pub fn error(&mut self, title: impl Into<String>, at: Place, label: impl Into<String>) -> Mistake<'_> {
        let title = title.into();
        let muted = !self.muted.is_empty() && self.muted.contains(&(at.file, self.line_start(&at)));
        let new = !muted && self.seen.insert((at.clone(), label_key(&title)));
        let first = self.label(&at, label.into());
        let diagnostic = Diagnostic { title: one_line(&title), labels: vec![first], hint: None };
        Mistake { report: self, diagnostic: new.then_some((at, diagnostic)) }
    }

    /// Adds a mistake in a file of another program, which is read because of what stands at `reason`.
    pub fn error_elsewhere(&mut self, title: String, of: Excerpt, (reason, label): (&Place, String)) -> Mistake<'_> {
        let new = !self.others.iter().any(|(file, _)| *file == of.file);
        let Excerpt { file, text, span, label: wrong } = of;
        let labels = vec![Label { file: file.clone(), span, text: wrong }, self.label(reason, label)];
        if new {
            self.others.push((file, text));
        }
        let diagnostic = Diagnostic { title: one_line(&title), labels, hint: None };
        Mistake { report: self, diagnostic: new.then(|| (reason.clone(), diagnostic)) }
    }

    fn label(&self, at: &Place, text: String) -> Label {
        Label { file: self.path(at.file).clone(), span: at.span.clone(), text }
    }

    /// Returns all mistakes, ordered by file and position.
    pub fn finish(mut self) -> Diagnostics {
        self.errors.sort_by_key(|(at, _)| (at.file, at.span.start));
        self.sources.extend(self.others);
        Diagnostics { errors: self.errors.into_iter().map(|(_, error)| error).collect(), sources: self.sources }
    }
}

/// Shortens the quoted parts of a title: an unclosed quote may extend to the end of the file.
fn one_line(title: &str) -> String {
    const QUOTED: usize = 80;
    let quoted = |part: &str| {
        let line: String = part.chars().take_while(|char| *char != '\n').take(QUOTED).collect();
        if line.len() < part.len() { line.trim_end().to_owned() + "…" } else { line }
    };
    let parts = title.split('`').enumerate().map(|(i, part)| if i % 2 == 1 { quoted(part) } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("`").replace('\n', " ")
}

/// Returns a title without its quoted parts, so that the same mistake in another instance of a task is recognised.
fn label_key(title: &str) -> String {
    title.split('`').step_by(2).collect()
}

/// A mistake that is being built up; it is reported when dropped.
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

    /// Adds what to do about it.
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
