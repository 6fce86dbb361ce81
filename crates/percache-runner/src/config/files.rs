//! Reads the root file and the files of its members.
//!
//! Knows where files are. Does not know which directories are members, and what tasks mean.

use std::path::Path;

use super::members::{Members, members};
use super::raw::{RawFile, Role, read_file};
use super::report::{At, Place, Report};
use crate::fs::walk::{Want, expand_noting};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::problem::reason;
use crate::model::{Task, Workspace};

/// The name of every configuration file.
pub const FILE_NAME: &str = "percache.toml";

/// One configuration file. Its position is its number in the [`Report`].
#[derive(Debug)]
pub(super) struct File {
    /// The directory that names and paths in it are relative to.
    pub dir: RelPath,
    pub raw: RawFile,
}

/// Reads all files, root first. Returns them with what `members` says of packages. Calls `note`
/// with the paths that the list of members depends on.
pub(super) fn read_all(root: &Path, report: &mut Report, note: &mut dyn FnMut(&RelPath)) -> (Vec<File>, Members) {
    let top = read(root, report, RelPath::root(), Role::Root);
    let stated = top.raw.keys.workspace.as_ref().and_then(|workspace| workspace.members.as_deref());
    let mut members = members(root, report, stated.unwrap_or_default(), note);
    let mut files = vec![top];
    files.extend(std::mem::take(&mut members.dirs).into_iter().map(|dir| read(root, report, dir, Role::Member)));
    for position in 0..files.len() {
        let include = files[position].raw.keys.include.take().unwrap_or_default();
        if !include.is_empty() {
            let dir = files[position].dir.clone();
            for path in included(root, report, &dir, &include, note) {
                files.push(read_at(root, report, dir.clone(), &path, Role::Included));
            }
        }
    }
    (files, members)
}

/// Returns the files that a percache.toml includes, sorted. A file that is named without wildcards must be there.
fn included(
    root: &Path,
    report: &mut Report,
    dir: &RelPath,
    include: &[At<String>],
    note: &mut dyn FnMut(&RelPath),
) -> Vec<RelPath> {
    let itself = dir.child(FILE_NAME.as_bytes());
    let mut valid = Vec::with_capacity(include.len());
    for pattern in include {
        let title = match PatternSet::parse(dir, &[&pattern.value]) {
            Err(error) => {
                let label = error.kind.to_string();
                report.error("this is not a pattern for files", pattern.at.clone(), label).hint(error.kind.hint());
                continue;
            }
            Ok(set) => set.patterns().iter().filter(|pattern| !pattern.negated).find_map(|pattern| {
                let path = pattern.literal()?;
                let problem = match () {
                    () if *path == itself => "includes itself",
                    () if path.to_path(root).is_file() => return None,
                    () => "is not a file",
                };
                Some((format!("`include` names `{path}`, which {problem}"), problem))
            }),
        };
        match title {
            Some((title, problem)) => {
                let hint = "name files with tables [task.NAME] and [template.NAME]".to_owned();
                report.error(title, pattern.at.clone(), problem).hint(hint);
            }
            None => valid.push(&pattern.value[..]),
        }
    }
    let Ok(set) = PatternSet::parse(dir, &valid) else { return Vec::new() };
    match expand_noting(root, &set, &[], Want::Files, note) {
        Ok(found) => {
            found.into_iter().map(|found| found.path).filter(|path| path.file_name() != FILE_NAME.as_bytes()).collect()
        }
        Err(error) => {
            let title = format!("cannot look for files to include: {error}");
            report.error(title, include[0].at.clone(), reason(&error.source));
            Vec::new()
        }
    }
}

/// Replaces `\r\n` by `\n`, whatever the editor writes: TOML leaves open which of the two a multi-line string contains,
/// and a shell takes a carriage return for a part of the last word.
fn with_newlines(text: String) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n") } else { text }
}

/// Returns the place where a task is defined: `pkgs/app/percache.toml:14`.
pub fn stated(workspace: &Workspace, task: &Task) -> Option<String> {
    let file = workspace.files.get(task.origin.file)?;
    let text = with_newlines(std::fs::read_to_string(file.to_path(&workspace.root)).ok()?);
    let before = text.get(..task.origin.span.start)?;
    Some(format!("{file}:{}", before.matches('\n').count() + 1))
}

fn read(root: &Path, report: &mut Report, dir: RelPath, role: Role) -> File {
    let path = dir.child(FILE_NAME.as_bytes());
    read_at(root, report, dir, &path, role)
}

fn read_at(root: &Path, report: &mut Report, dir: RelPath, path: &RelPath, role: Role) -> File {
    let (text, problem) = match std::fs::read(path.to_path(root)) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => (with_newlines(text), None),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                (text, Some((at, "is not UTF-8".to_owned())))
            }
        },
        Err(error) => (String::new(), Some((0, reason(&error)))),
    };
    let file = report.add_source(path.clone(), text.clone());
    if let Some((at, problem)) = problem {
        let hint = problem.contains("UTF-8").then(|| "save it as UTF-8: all TOML files are".to_owned());
        report.error(format!("cannot read {path}"), Place { file, span: at..at }, problem).hint(hint);
        return File { dir, raw: RawFile { broken: true, ..RawFile::default() } };
    }
    File { dir, raw: read_file(report, file, &text, role) }
}
