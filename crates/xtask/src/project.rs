//! A copy of the example project in a temporary directory, with the means to build it and to look at it.
//!
//! Knows nothing of what is shown with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::run::{Failure, Result, check, path_failure};
use crate::summary::Summary;

/// The copy. It is removed on drop.
pub struct Project {
    root: PathBuf,
    percache: PathBuf,
}

impl Project {
    /// Copies `source`; commands named `percache` will run the binary `percache`.
    pub fn copy_of(source: &Path, percache: PathBuf) -> Result<Project> {
        let root = std::env::temp_dir().join(format!("percache-demo-{}", std::process::id()));
        let project = Project { root, percache };
        copy_tree(source, &project.root)?;
        Ok(project)
    }

    /// Shows a percache command, runs it, shows its output, and gives its stdout and stderr; a failure if it failed.
    pub fn percache(&self, arguments: &[&str]) -> Result<String> {
        println!("$ percache {}", arguments.join(" "));
        let output = self.output(Command::new(&self.percache).args(arguments))?;
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        print!("{}", abridged(&text));
        check(output.status.success(), || format!("`percache {}` failed ({})", arguments.join(" "), output.status))?;
        Ok(text)
    }

    /// `percache build`, and what it did.
    pub fn build(&self) -> Result<Summary> {
        let output = self.percache(&["build"])?;
        Summary::find(&output).ok_or_else(|| Failure("the last line of `percache build` is no summary".into()))
    }

    /// What the program that the project builds prints for one of its examples.
    pub fn greeting(&self) -> Result<String> {
        println!("$ build/calc run manual/examples/greeting.calc");
        let program = self.root.join("build/calc");
        let output = self.output(Command::new(program).args(["run", "manual/examples/greeting.calc"]))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        print!("{text}");
        Ok(text)
    }

    fn output(&self, command: &mut Command) -> Result<Output> {
        let program = PathBuf::from(command.get_program());
        // The demo shows the plain reporter and a store that nobody else uses, whatever the caller's environment says.
        command.current_dir(&self.root).env_remove("GITHUB_ACTIONS").env("NO_COLOR", "1");
        command.output().map_err(|error| path_failure("run", &program, error))
    }

    /// Replaces text in a file; a failure if it is not there.
    pub fn replace(&self, file: &str, old: &str, new: &str) -> Result<()> {
        let path = self.root.join(file);
        let text = fs::read_to_string(&path).map_err(|error| path_failure("read", &path, error))?;
        check(text.contains(old), || format!("`{old}` is not in {file}"))?;
        fs::write(&path, text.replace(old, new)).map_err(|error| path_failure("write", &path, error))
    }

    /// Removes a directory with everything in it.
    pub fn remove_directory(&self, directory: &str) -> Result<()> {
        println!("$ rm -r {directory}");
        let path = self.root.join(directory);
        fs::remove_dir_all(&path).map_err(|error| path_failure("remove", &path, error))
    }

    /// Bytes of all files below a directory.
    pub fn size_of(&self, directory: &str) -> Result<u64> {
        let path = self.root.join(directory);
        tree_size(&path).map_err(|error| path_failure("read", &path, error))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // What cannot be removed is left to the system, which cleans its temporary directory.
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// The text without the middle of a long list of lines.
fn abridged(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= 14 {
        return lines.iter().map(|line| format!("  {line}\n")).collect();
    }
    let left_out = format!("… {} more lines …", lines.len() - 10);
    let shown = lines[..6].iter().copied().chain([left_out.as_str()]).chain(lines[lines.len() - 4..].iter().copied());
    shown.map(|line| format!("  {line}\n")).collect()
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(|error| path_failure("create", to, error))?;
    let entries = fs::read_dir(from).map_err(|error| path_failure("read", from, error))?;
    for entry in entries {
        let source = entry.map_err(|error| path_failure("read", from, error))?.path();
        let Some(name) = source.file_name().filter(|name| *name != "build" && *name != ".percache") else { continue };
        let target = to.join(name);
        if source.is_dir() {
            copy_tree(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(|error| path_failure("copy", &source, error))?;
        }
    }
    Ok(())
}

fn tree_size(directory: &Path) -> std::io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        size += if metadata.is_dir() { tree_size(&entry.path())? } else { metadata.len() };
    }
    Ok(size)
}
