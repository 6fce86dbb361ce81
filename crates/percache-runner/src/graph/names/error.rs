//! Names that refer to no task, and what to do about them.

use thiserror::Error;

use crate::model::Ecosystem;

/// A name that refers to no task.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectError {
    /// No task has this name.
    #[error("no task is named `{name}`")]
    Unknown {
        /// The name as given.
        name: String,
        /// What was probably meant, as it must be written; the likeliest first.
        meant: Vec<String>,
    },
    /// `^name` where no packages are known.
    #[error("`{name}` means tasks of packages, and no packages are known")]
    NoPackages {
        /// The name as given.
        name: String,
    },
    /// `^name` in a directory that is no package.
    #[error("`{name}` means tasks of the packages that this one depends on, and `{dir}` is no package")]
    NoPackage {
        /// The name as given.
        name: String,
        /// The directory.
        dir: String,
    },
    /// `^` before something else than the name of a task.
    #[error("`{name}` is no name: behind `^` stands a task without a directory")]
    Above {
        /// The name as given.
        name: String,
    },
    /// No task matches this glob.
    #[error("no task matches `{glob}`")]
    NoMatch {
        /// The glob as given.
        glob: String,
        /// What was probably meant.
        meant: Option<String>,
    },
}

impl SelectError {
    /// Returns what to do about it, if there is a suggestion.
    pub fn hint(&self) -> Option<String> {
        let quoted = |name: &String| format!("`{name}`");
        match self {
            SelectError::Unknown { meant, .. } if meant.is_empty() => None,
            SelectError::Unknown { meant, .. } => {
                Some(format!("did you mean {}?", meant.iter().map(quoted).collect::<Vec<_>>().join(" or ")))
            }
            SelectError::NoPackages { .. } => {
                let names = Ecosystem::ALL.map(|ecosystem| format!("`\"{}\"`", ecosystem.name())).join(", ");
                Some(format!("say in [workspace] of the root file who knows them: `members` is one of {names}"))
            }
            SelectError::NoPackage { .. } => {
                Some("name the tasks with their directories or packages: `pkgs/app:build`".to_owned())
            }
            SelectError::Above { .. } => Some("write `^build`, or name one task: `pkgs/app:build`".to_owned()),
            SelectError::NoMatch { meant: Some(meant), .. } => Some(format!("did you mean `{meant}`?")),
            SelectError::NoMatch { .. } => {
                Some("`*` is any text on its side of the `:`, as in `pkgs/*:test`".to_owned())
            }
        }
    }
}
