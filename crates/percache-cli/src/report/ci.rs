//! What CI systems understand in a log: sections that fold (GitHub, GitLab) and annotations (GitHub).

use std::path::{Path, PathBuf};

use percache::base::clock::Time;
use percache_runner::tasks::{Task, TaskId, Workspace};

use crate::report::located::{Located, located};
use crate::report::text::clean;

/// How many places in the log of one task are annotated. GitHub shows ten errors for each step.
const PLACES: usize = 10;

/// The system that shows the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ci {
    /// None that is known.
    None,
    /// GitHub Actions, with its workflow commands.
    GitHub,
    /// GitLab CI/CD, with its sections.
    GitLab,
}

impl Ci {
    /// Recognises the system by the variables that it sets.
    pub fn detect() -> Ci {
        let is_true = |name| std::env::var_os(name).is_some_and(|value| value == "true");
        match () {
            () if is_true("GITHUB_ACTIONS") => Ci::GitHub,
            () if is_true("GITLAB_CI") => Ci::GitLab,
            () => Ci::None,
        }
    }

    /// Begins a section that is folded at first.
    pub fn open(self, text: &mut String, task: TaskId, name: &str) {
        match self {
            Ci::None => {}
            Ci::GitHub => text.push_str(&format!("::group::{}\n", data(&clean(name, false)))),
            Ci::GitLab => {
                let (time, section) = (Time::now().as_millis() / 1000, section(task));
                let name = clean(name, false);
                text.push_str(&format!("section_start:{time}:{section}[collapsed=true]\r\x1b[0K{name}\n"));
            }
        }
    }

    /// Ends the section.
    pub fn close(self, text: &mut String, task: TaskId) {
        match self {
            Ci::None => {}
            Ci::GitHub => text.push_str("::endgroup::\n"),
            Ci::GitLab => {
                text.push_str(&format!("section_end:{}:{}\r\x1b[0K\n", Time::now().as_millis() / 1000, section(task)))
            }
        }
    }

    /// Adds an annotation without a place. `level` is `error` or `warning`.
    pub fn annotate(self, text: &mut String, level: &str, message: &str) {
        if self == Ci::GitHub {
            text.push_str(&format!("::{level} title=percache::{}\n", data(&clean(message, false))));
        }
    }

    /// Adds an annotation for each place that a compiler names in the log of a failed task.
    pub fn annotate_places(self, text: &mut String, workspace: &Workspace, task: &Task, log: &[u8]) {
        if self != Ci::GitHub {
            return;
        }
        let cwd = task.cwd.to_path(&workspace.root);
        let top = std::env::var_os("GITHUB_WORKSPACE").map_or_else(|| workspace.root.clone(), PathBuf::from);
        let log = clean(&String::from_utf8_lossy(log), false);
        let places = located(&log).filter_map(|it| Some((in_repository(&it, &cwd, &top)?, it)));
        for (file, Located { line, column, message, .. }) in places.take(PLACES) {
            let column = column.map(|column| format!(",col={column}")).unwrap_or_default();
            let (file, name, message) = (property(&file), property(&task.name), data(&message));
            text.push_str(&format!("::error file={file},line={line}{column},title={name}::{message}\n"));
        }
    }
}

/// Returns the path of a file as GitHub expects it, relative to the repository; `None` if it is no file there.
fn in_repository(place: &Located, cwd: &Path, top: &Path) -> Option<String> {
    let file = std::fs::canonicalize(cwd.join(&place.file)).ok().filter(|file| file.is_file())?;
    let top = std::fs::canonicalize(top).ok()?;
    file.strip_prefix(top).ok()?.to_str().map(str::to_owned)
}

/// Returns the name of a task's section, in which GitLab allows letters, digits, `_`, `.` and `-`. It differs from
/// those of other builds in the same job.
fn section(task: TaskId) -> String {
    format!("percache_{}_{}", std::process::id(), task.index())
}

/// Escapes the message of a workflow command, in which `%` begins an escape sequence and a newline would end the
/// command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a property of a workflow command, which `,` and `:` would end.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_command_stays_one_line() {
        assert_eq!(data("50 % of\r\nit"), "50 %25 of%0D%0Ait");
        assert_eq!(property("a,b:c\n%"), "a%2Cb%3Ac%0A%25");
    }
}
