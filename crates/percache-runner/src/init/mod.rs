//! Proposes a first `percache.toml` for a directory: looks at what is there, and suggests tasks.
//!
//! Each kind of project has its own file. A proposal must work unchanged; where percache cannot know the outputs of a
//! script, it proposes a task that always runs. Writes nothing.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `c` | C and C++ without a build system |
//! | `cargo` | Rust |
//! | `dvc` | Stages of dvc.yaml |
//! | `just` | Recipes of a justfile |
//! | `make` | Targets of a Makefile |
//! | `node` | Scripts of package.json, as turbo.json and nx.json describe them |
//! | `python` | Python |
//! | `taskfile` | Tasks of a Taskfile |
//! | `nature` | What a name suggests |
//! | `ignored` | What git ignores |
//! | `write` | The text of a proposal |

mod c;
mod cargo;
mod dvc;
mod ignored;
mod just;
mod make;
mod nature;
mod node;
mod python;
mod taskfile;
mod write;

use std::fs;
use std::path::Path;

use thiserror::Error;

use crate::model::diagnostic::Excerpt;
use crate::model::path::RelPath;
use crate::syntax::data::{Data, Format, Malformed};
use node::Describing;
use write::{list, member_text, root_text, string};

/// The keys of a task, each with its TOML value.
type Keys = Vec<(&'static str, String)>;

/// A task to be written.
#[derive(Clone, Debug, Default)]
struct Proposed {
    name: String,
    /// A comment above the table; each line becomes a comment line.
    comment: String,
    keys: Keys,
    /// Whether a bare `percache build` builds it.
    default: bool,
}

/// The tasks of one kind of project.
#[derive(Clone, Debug, Default)]
struct Part {
    /// A short description of what was found.
    found: String,
    /// The prefix that distinguishes its tasks from those of the same name in other parts.
    prefix: &'static str,
    /// Further keys of `[workspace]`, each with a comment and its TOML value.
    settings: Vec<(String, &'static str, String)>,
    /// Comments for the head of the file.
    notes: Vec<String>,
    tasks: Vec<Proposed>,
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its directory, relative to the one that was examined, with `/` between components; empty for that one itself.
    pub dir: String,
    /// Its content.
    pub text: String,
    /// Short descriptions of what was found there.
    pub found: Vec<String>,
}

/// Looks for one kind of project.
type Look = fn(&Path) -> Result<Option<Part>, InitError>;

/// What is proposed for a directory.
#[derive(Clone, Debug, Default)]
pub struct Proposal {
    /// The files, first the root's.
    pub files: Vec<File>,
    /// What else could be proposed, as sentences.
    pub others: Vec<String>,
}

/// What a proposal is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Targets of a Makefile.
    Make,
    /// C and C++ sources.
    C,
    /// Scripts of package.json.
    Npm,
    /// Scripts of package.json, as turbo.json describes them.
    Turbo,
    /// Scripts of package.json, as nx.json describes them.
    Nx,
    /// Cargo.toml.
    Cargo,
    /// Python.
    Python,
    /// Tasks of a Taskfile.
    Taskfile,
    /// Recipes of a justfile.
    Justfile,
    /// Stages of dvc.yaml.
    Dvc,
}

impl Source {
    /// Returns what must be there.
    fn wanted(self) -> &'static str {
        match self {
            Source::Make => "Makefile with targets",
            Source::C => "C or C++ source",
            Source::Npm => "package.json with scripts",
            Source::Turbo => "turbo.json with tasks",
            Source::Nx => "nx.json",
            Source::Cargo => "Cargo.toml",
            Source::Python => "Python project",
            Source::Taskfile => "Taskfile.yml with tasks",
            Source::Justfile => "justfile with recipes",
            Source::Dvc => "dvc.yaml with stages",
        }
    }
}

/// Why nothing is proposed.
#[derive(Clone, Debug, Error)]
pub enum InitError {
    /// What the proposal was to be made from is not there.
    #[error("there is no {0} here")]
    NotThere(&'static str),
    /// A file of the project cannot be understood.
    #[error("{0}")]
    Broken(String),
    /// A file of the project cannot be read because of what is at one place of it.
    #[error("{0}")]
    Malformed(Box<Excerpt>),
}

/// Proposes files for `dir`: from everything that is found there, or from one source alone.
///
/// # Errors
/// Fails if the source is not there, or if a file that lists packages or tasks is broken.
pub fn propose(dir: &Path, from: Option<Source>) -> Result<Proposal, InitError> {
    let wants = |source: Source| from.is_none_or(|from| from == source);
    let mut parts = Vec::new();
    let mut others = Vec::new();
    let of_c = if wants(Source::C) { c::look(dir) } else { None };
    match of_c {
        Some(part) if from.is_none() && c::is_built_otherwise(dir) => {
            others.push(format!("{}: `percache init --from c` compiles each file by a task of its own", part.found));
        }
        part => parts.extend(part),
    }
    let looks: [(Source, Look); 6] = [
        (Source::Cargo, |dir| Ok(cargo::look(dir))),
        (Source::Python, |dir| Ok(python::look(dir))),
        (Source::Make, |dir| Ok(make::look(dir))),
        (Source::Taskfile, taskfile::look),
        (Source::Justfile, |dir| Ok(just::look(dir))),
        (Source::Dvc, dvc::look),
    ];
    for (_, look) in looks.into_iter().filter(|(source, _)| wants(*source)) {
        parts.extend(look(dir)?);
    }
    let mut members = Vec::new();
    if let Some(describing) = describing(from) {
        let found = node::look(dir, describing)?;
        parts.extend(found.root);
        members = found.members;
    }
    if let Some(from) = from.filter(|_| parts.is_empty()) {
        return Err(InitError::NotThere(from.wanted()));
    }
    if let Some(part) = parts.first_mut() {
        part.notes.extend(others.iter().map(|other| format!("There are also {other}.")));
    }
    let text = root_text(&parts, &mut members);
    let found = parts.iter().map(|part| part.found.clone()).collect();
    let mut files = vec![File { dir: String::new(), text, found }];
    files.extend(members.into_iter().map(|(dir, part)| {
        let found = vec![part.found.clone()];
        File { dir, text: member_text(&part), found }
    }));
    Ok(Proposal { files, others })
}

/// Returns who may describe the scripts of package.json; `None` if these are not wanted.
fn describing(from: Option<Source>) -> Option<Describing> {
    match from {
        None => Some(Describing::Any),
        Some(Source::Npm) => Some(Describing::Nobody),
        Some(Source::Turbo) => Some(Describing::Turbo),
        Some(Source::Nx) => Some(Describing::Nx),
        Some(_) => None,
    }
}

/// Returns the data of a file, which is named as seen from the directory that is examined.
fn parsed(file: &str, format: Format, text: &str) -> Result<Data, InitError> {
    format.parse(text).map_err(|malformed| match RelPath::new(file) {
        Ok(file) => {
            let (text, Malformed { span, problem: label, .. }) = (text.to_owned(), malformed);
            InitError::Malformed(Box::new(Excerpt { file, text, span, label }))
        }
        Err(_) => InitError::Broken(format!("{file}: {malformed}")),
    })
}

fn read(dir: &Path, name: &str) -> Option<String> {
    fs::read_to_string(dir.join(name)).ok()
}
