//! Reads the manifests of packages, and finds them by the patterns of a workspace.

use std::io::ErrorKind;
use std::path::Path;

use super::Mistake;
use crate::fs::walk::{Want, expand_noting};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::problem::reason;
use crate::syntax::data::{Data, Format};

/// Access to the manifests of a workspace.
pub(super) struct Manifests<'m> {
    pub root: &'m Path,
    /// Called with every path that was looked at.
    pub note: &'m mut dyn FnMut(&RelPath),
}

impl Manifests<'_> {
    /// Returns the text of a file, if it is there.
    pub fn text(&mut self, path: &RelPath) -> Result<Option<String>, Mistake> {
        (self.note)(path);
        match std::fs::read(path.to_path(self.root)) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(mistake(path, "it is not UTF-8", None)),
            },
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(mistake(path, &reason(&error), None)),
        }
    }

    /// Returns the content of a file, if it is there.
    pub fn data(&mut self, path: &RelPath, format: Format) -> Result<Option<Data>, Mistake> {
        let Some(text) = self.text(path)? else { return Ok(None) };
        format.parse(&text).map(Some).map_err(|problem| mistake(path, &problem, None))
    }

    /// Returns the directories that match the patterns and have a manifest of this name, sorted. Patterns that lead out
    /// of the workspace find nothing: what lies there is no member.
    pub fn dirs(&mut self, stated_in: &RelPath, patterns: &[String], manifest: &str) -> Result<Vec<RelPath>, Mistake> {
        let inside = patterns.iter().filter(|pattern| !leads_out(pattern));
        let files: Vec<String> =
            inside.map(|pattern| format!("{}/{manifest}", pattern.trim_end_matches('/'))).collect();
        let set = PatternSet::parse(&RelPath::root(), &files).map_err(|error| {
            let pattern = error.pattern.trim_end_matches(manifest).trim_end_matches('/').to_owned();
            mistake(stated_in, &format!("`{pattern}`: {}", error.kind), error.kind.hint())
        })?;
        let found = expand_noting(self.root, &set, &[], Want::Files, self.note)
            .map_err(|error| mistake(stated_in, &format!("{error}: {}", reason(&error.source)), None))?;
        Ok(found.into_iter().filter_map(|found| found.path.parent()).collect())
    }
}

fn leads_out(pattern: &str) -> bool {
    let pattern = pattern.trim_start_matches('!');
    pattern.starts_with('/') || pattern.split('/').find(|part| *part != ".") == Some("..")
}

pub(super) fn mistake(file: &RelPath, problem: &str, hint: Option<String>) -> Mistake {
    Mistake { file: file.clone(), problem: problem.to_owned(), hint }
}

/// Returns the path of a file in the root.
pub(super) fn at_root(name: &str) -> RelPath {
    RelPath::root().child(name.as_bytes())
}
