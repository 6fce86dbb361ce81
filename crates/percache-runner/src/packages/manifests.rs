//! Reads the manifests of packages, and finds them by the patterns of a workspace.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use super::Mistake;
use crate::fs::walk::{Want, expand_noting};
use crate::model::PackageDoubt;
use crate::model::path::RelPath;
use crate::model::pattern::{Pattern, PatternSet};
use crate::model::problem::reason;
use crate::syntax::data::{Data, Format, Malformed};

/// Access to the manifests of a workspace.
pub(super) struct Manifests<'m> {
    pub root: &'m Path,
    /// The name of a file that shows that a directory is meant to be a package.
    pub marker: &'m str,
    /// Called with every path that was looked at.
    pub note: &'m mut dyn FnMut(&RelPath),
    pub doubts: Vec<PackageDoubt>,
    /// The directories with the marker that have no manifest.
    pub strays: Vec<RelPath>,
}

impl Manifests<'_> {
    /// Returns the text of a file, if it is there.
    pub fn text(&mut self, path: &RelPath) -> Result<Option<String>, Mistake> {
        (self.note)(path);
        match std::fs::read(path.to_path(self.root)) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                    Err(mistake(path, "it is not UTF-8", None).at(&text, at..at, "is not UTF-8".to_owned()))
                }
            },
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(mistake(path, &reason(&error), None)),
        }
    }

    /// Returns the content of a file, if it is there.
    pub fn data(&mut self, path: &RelPath, format: Format) -> Result<Option<Data>, Mistake> {
        let Some(text) = self.text(path)? else { return Ok(None) };
        format.parse(&text).map(Some).map_err(|Malformed { span, problem, .. }| {
            mistake(path, &format!("it cannot be read as {}", format.name()), None).at(&text, span, problem)
        })
    }

    /// Returns the directories that match the patterns and have a manifest of this name, sorted. Patterns that lead out
    /// of the workspace find nothing: what lies there is no member.
    pub fn dirs(&mut self, stated_in: &RelPath, patterns: &[String], manifest: &str) -> Result<Vec<RelPath>, Mistake> {
        let inside: Vec<&str> = patterns
            .iter()
            .filter(|pattern| !leads_out(pattern))
            .map(|pattern| pattern.trim_end_matches('/'))
            .collect();
        let files = |name: &str| inside.iter().map(|pattern| format!("{pattern}/{name}")).collect::<Vec<_>>();
        let parse = |files: &[String]| PatternSet::parse(&RelPath::root(), files);
        // A `!` takes the same directories from both.
        let set = parse(&files(manifest)).and_then(|_| parse(&[files(manifest), files(self.marker)].concat()));
        let set = set.map_err(|error| {
            let pattern = error.pattern.trim_end_matches(manifest).trim_end_matches('/').to_owned();
            mistake(stated_in, &format!("`{pattern}`: {}", error.kind), error.kind.hint())
        })?;
        let found = expand_noting(self.root, &set, &[], Want::Files, self.note)
            .map_err(|error| mistake(stated_in, &format!("{error}: {}", reason(&error.source)), None))?;
        let (with_manifest, marked): (Vec<RelPath>, Vec<RelPath>) =
            found.into_iter().map(|found| found.path).partition(|path| path.file_name() == manifest.as_bytes());
        let dirs: BTreeSet<RelPath> = with_manifest.iter().filter_map(RelPath::parent).collect();
        let marked = marked.iter().filter_map(RelPath::parent).filter(|dir| !dir.is_root() && !dirs.contains(dir));
        self.strays.extend(marked);
        Ok(dirs.into_iter().collect())
    }

    /// Returns the directories that are named without wildcards and have no manifest of this name.
    pub fn missing(&self, patterns: &[String], manifest: &str) -> Vec<RelPath> {
        let inside = patterns.iter().filter(|pattern| !leads_out(pattern) && !pattern.starts_with('!'));
        let sets = inside.filter_map(|pattern| PatternSet::parse(&RelPath::root(), &[pattern]).ok());
        let named: Vec<RelPath> = sets
            .flat_map(|set| set.patterns().iter().filter_map(Pattern::literal).cloned().collect::<Vec<_>>())
            .collect();
        let has_none = |dir: &RelPath| !dir.child(manifest.as_bytes()).to_path(self.root).is_file();
        named.into_iter().filter(|dir| !dir.is_root() && has_none(dir)).collect()
    }

    /// Tells of patterns that can find no package, although the ecosystem accepts them.
    pub fn doubt(&mut self, stated_in: &RelPath, key: &str, patterns: &[String], manifest: &str) {
        for dir in self.missing(patterns, manifest) {
            let hint = format!("write one, or take `{dir}` out of `{key}`");
            self.add_doubt(stated_in, format!("`{key}` names `{dir}`, which has no {manifest}"), hint);
        }
        for pattern in patterns.iter().filter(|pattern| leads_out(pattern) && !pattern.starts_with('!')) {
            let hint = "a percache.toml further up can have it as a member".to_owned();
            let problem = format!("`{key}` names `{pattern}`, which lies outside of the workspace and is no member");
            self.add_doubt(stated_in, problem, hint);
        }
    }

    pub fn add_doubt(&mut self, file: &RelPath, problem: String, hint: String) {
        self.doubts.push(PackageDoubt { file: file.clone(), problem, hint });
    }
}

/// Returns the texts of a list of directories, which may be missing.
pub(super) fn list(file: &RelPath, key: &str, value: Option<&Data>) -> Result<Vec<String>, Mistake> {
    let wrong = |problem: String| {
        mistake(file, &problem, Some(format!("`{key}` is a list of directories and patterns: `[\"packages/*\"]`")))
    };
    match value {
        None => Ok(Vec::new()),
        Some(Data::List(items)) => {
            let texts = items.iter().map(|item| item.text().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or_else(|| wrong(format!("`{key}` has an item that is no text")))
        }
        Some(_) => Err(wrong(format!("`{key}` is no list"))),
    }
}

pub(super) fn leads_out(pattern: &str) -> bool {
    let pattern = pattern.trim_start_matches('!');
    pattern.starts_with('/') || pattern.split('/').find(|part| *part != ".") == Some("..")
}

pub(super) fn mistake(file: &RelPath, problem: &str, hint: Option<String>) -> Mistake {
    Mistake { file: file.clone(), problem: problem.to_owned(), hint, excerpt: None }
}

/// Returns the path of a file in the root.
pub(super) fn at_root(name: &str) -> RelPath {
    RelPath::root().child(name.as_bytes())
}
