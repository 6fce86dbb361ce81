//! Declared inputs that are not whole files of the workspace: parts of files, and files outside.
//!
//! Knows the values in a file only as a tree; `syntax::data` reads it.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex, PoisonError};

use percache::Digest;

use crate::action::context::Context;
use crate::fs::stat_cache::{Behind, FileState};
use crate::key::fingerprint::{Kind, Part, Value};
use crate::model::Task;
use crate::model::notice::Warning;
use crate::model::path::RelPath;
use crate::model::problem::{Trouble, reason};
use crate::syntax::data::{Data, Format, KeyPath};

/// The longest canonical text that is kept for explanations, in bytes.
const LONGEST: usize = 16 << 10;

/// What was found.
#[derive(Default)]
pub struct Further {
    /// The files with their states. Paths are relative to the workspace, or absolute.
    pub states: Vec<(Vec<u8>, FileState)>,
    /// Warnings about what does not exist.
    pub warnings: Vec<Warning>,
}

/// The files of which parts count, parsed once for all tasks, by their digest.
#[derive(Default)]
pub struct Documents(Mutex<HashMap<(Digest, Format), Document>>);

/// The values of a file, or what is wrong with it.
type Document = Arc<Result<Data, String>>;

/// Looks at the parts of files and the external files that a task names, and adds them to its `parts`.
///
/// # Errors
/// Fails if a file is not what its name says, or cannot be read.
pub fn look(
    ctx: &Context<'_>,
    task: &Task,
    parts: &mut Vec<Part>,
    watched: &mut Vec<Vec<u8>>,
) -> Result<Further, Trouble> {
    let mut further = Further::default();
    for (path, key) in task.inputs.by_key() {
        let state = state(ctx, path.as_bytes(), &path.to_string(), watched)?;
        parts.push(part(ctx, task, path, key, &state, &mut further.warnings)?);
        further.states.push((path.as_bytes().to_vec(), state));
    }
    for external in &task.external {
        let location = external.location(ctx.observer.root());
        let path = location.as_os_str().as_bytes();
        let state = state(ctx, path, &external.0, watched)?;
        if state == FileState::Absent {
            let (task, path) = (task.name.clone(), external.0.clone());
            further.warnings.push(Warning::MissingExternal { task, path });
        }
        parts.push(Part::new(Kind::External, external.0.as_bytes(), Value::File(state.clone())));
        further.states.push((path.to_vec(), state));
    }
    Ok(further)
}

/// Returns the state of a file. `name` is how it is declared.
fn state(ctx: &Context<'_>, path: &[u8], name: &str, watched: &mut Vec<Vec<u8>>) -> Result<FileState, Trouble> {
    ctx.observer.watch(path, watched);
    let state = ctx.observer.observe_input(path);
    let state = state.map_err(|e| format!("its input `{name}` cannot be read: {}", reason(&e)))?;
    match state {
        FileState::Directory | FileState::Symlink { behind: Behind::Directory, .. } => {
            Err(Trouble::new(format!("its input `{name}` is a directory"), "name the files in it"))
        }
        FileState::Special | FileState::Symlink { behind: Behind::Special, .. } => {
            Err(Trouble::new(format!("its input `{name}` is neither file nor directory"), "name a regular file"))
        }
        state => Ok(state),
    }
}

/// Makes the part for a key of a file. Warns if the file does not have it.
fn part(
    ctx: &Context<'_>,
    task: &Task,
    path: &RelPath,
    key: &str,
    state: &FileState,
    warnings: &mut Vec<Warning>,
) -> Result<Part, Trouble> {
    let name = format!("{path}#{key}");
    let mut absent = |missing: Option<&str>, meant: Option<&str>| {
        let (missing, meant) = (missing.map(str::to_owned), meant.map(str::to_owned));
        let (task, path, key) = (task.name.clone(), path.clone(), key.to_owned());
        warnings.push(Warning::MissingPart { task, path, key, missing, meant });
        Part::new(Kind::FilePart, name.as_bytes(), Value::Unset)
    };
    let digest = match state {
        FileState::File { digest, .. } => Some(*digest),
        FileState::Symlink { behind, .. } => behind.digest(),
        _ => None,
    };
    let Some(digest) = digest else {
        return Ok(absent(None, None));
    };
    let document = document(ctx, path, digest)?;
    let data = document.as_ref().as_ref().map_err(|problem| {
        let format = format_of(path).name();
        Trouble::new(format!("its input `{path}` is not {format}: {problem}"), "mend it, or name the whole file")
    })?;
    let wanted = KeyPath::parse(key).map_err(|problem| format!("`{name}`: {problem}"))?;
    let Some(value) = wanted.select(data) else {
        let (missing, meant) = wanted.missing(data).unwrap_or((key, None));
        return Ok(absent(Some(missing), meant));
    };
    let text = value.canonical();
    let part = Part::new(Kind::FilePart, name, Value::Digest(Digest::of(text.as_bytes())));
    let remark = if text.len() <= LONGEST && !is_private(ctx, path) { text } else { String::new() };
    Ok(Part { remark, ..part })
}

/// Returns whether only its owner may read a file. Of such a file, nothing is kept but digests.
fn is_private(ctx: &Context<'_>, path: &RelPath) -> bool {
    let metadata = fs::metadata(path.to_path(ctx.observer.root()));
    metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o077 == 0)
}

/// Returns the format of a file. The configuration names parts only of files of a known one.
fn format_of(path: &RelPath) -> Format {
    Format::of(&path.to_string()).unwrap_or(Format::Json)
}

/// Returns the values of a file that has this digest.
fn document(ctx: &Context<'_>, path: &RelPath, digest: Digest) -> Result<Document, Trouble> {
    let format = format_of(path);
    let known = || ctx.documents.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(document) = known().get(&(digest, format)) {
        return Ok(document.clone());
    }
    let bytes = fs::read(path.to_path(ctx.observer.root())).unwrap_or_default();
    let text = if Digest::of(&bytes) == digest {
        String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
    } else if let Some(text) = ctx.contents.text(path.as_bytes(), &digest) {
        // In a dry run, an output counts as it would be restored.
        Ok(text)
    } else {
        return Err(Trouble::new(format!("its input `{path}` changes while it is read"), "build again"));
    };
    let document = Arc::new(text.and_then(|text| format.parse(&text).map_err(|problem| problem.to_string())));
    known().insert((digest, format), document.clone());
    Ok(document)
}
