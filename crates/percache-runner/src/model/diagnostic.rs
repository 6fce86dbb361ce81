//! A mistake in a configuration file, as data: what is wrong, where, and what to do about it. The command line renders
//! it.
//!
//! Knows nothing of colours, columns or terminals.

use std::fmt;
use std::ops::Range;

use crate::model::path::RelPath;

/// A place in a configuration file and a remark about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The file, relative to the workspace root.
    pub file: RelPath,
    /// Byte range of the offending text.
    pub span: Range<usize>,
    /// The remark under the underline.
    pub text: String,
}

/// One mistake, or one warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one line.
    pub title: String,
    /// The offending place first, then other places that matter (the second owner, the steps of a cycle).
    pub labels: Vec<Label>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A place in a file that percache reads and that is none of its own, with the text of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The file, relative to the workspace root.
    pub file: RelPath,
    /// The text of the file.
    pub text: String,
    /// Byte range of the offending text.
    pub span: Range<usize>,
    /// What is wrong there.
    pub label: String,
}

impl Excerpt {
    /// Returns the only mistake of what was read.
    pub fn diagnostics(&self, title: String, hint: &str) -> Diagnostics {
        let label = Label { file: self.file.clone(), span: self.span.clone(), text: self.label.clone() };
        Diagnostics {
            errors: vec![Diagnostic { title, labels: vec![label], hint: Some(hint.to_owned()) }],
            sources: vec![(self.file.clone(), self.text.clone())],
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.text.get(..self.span.start).unwrap_or_default();
        write!(f, "{}: line {}: {}", self.file, before.matches('\n').count() + 1, self.label)
    }
}

/// All mistakes of a workspace, with the texts that their labels point into.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    /// The mistakes, ordered by file and position.
    pub errors: Vec<Diagnostic>,
    /// The path and text of every file that a label points into.
    pub sources: Vec<(RelPath, String)>,
}
