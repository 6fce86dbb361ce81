//! A mistake in a configuration file, as data: what is wrong, where, and what to do. The command line renders it.
//!
//! Knows nothing of colours, columns or terminals.

use std::ops::Range;

use crate::model::path::RelPath;

/// A place in a configuration file with a word about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The file, relative to the workspace root.
    pub file: RelPath,
    /// Byte range of the offending text.
    pub span: Range<usize>,
    /// What is said under the underline.
    pub text: String,
}

/// One mistake, or one warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// One line: what is wrong.
    pub title: String,
    /// The offending place, first, and others that matter (the second owner, the steps of a cycle).
    pub labels: Vec<Label>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// All mistakes of a workspace, with the texts they point into.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    /// In order of file and position.
    pub errors: Vec<Diagnostic>,
    /// Path and text of every file that a label points into.
    pub sources: Vec<(RelPath, String)>,
}
