//! Commands whose outputs may lie anywhere in the workspace.
//!
//! A server can hand back any directory, except the root of the inputs itself: some do not, and none says so. The
//! workspace of such a command is therefore a directory of the root.

use std::io::{self, Read};

use super::{Caller, Command, Executed, Input, OutputPath, Stage};

/// The directory that the workspace becomes.
const DIRECTORY: &str = "workspace";

/// Returns the command with the workspace in a directory, if that is needed.
pub(super) fn nested(command: &Command) -> Option<Command> {
    if !command.outputs.iter().any(|output| output.path.is_empty()) {
        return None;
    }
    let below = |path: &str| if path.is_empty() { DIRECTORY.to_owned() } else { format!("{DIRECTORY}/{path}") };
    let inputs = command.inputs.iter().map(|input| Input { path: below(&input.path), kind: input.kind.clone() });
    Some(Command {
        directory: below(&command.directory),
        inputs: inputs.collect(),
        outputs: vec![OutputPath { path: DIRECTORY.to_owned(), directory: true }],
        ..command.clone()
    })
}

/// Returns a path of the workspace for one of the root.
fn outer(path: &str) -> &str {
    path.strip_prefix(DIRECTORY).map_or(path, |rest| rest.strip_prefix('/').unwrap_or(rest))
}

/// Takes the directory out of the paths again.
pub(super) fn unnested(mut executed: Executed) -> Executed {
    executed.outputs.iter_mut().for_each(|(path, _)| *path = outer(path).to_owned());
    executed
}

/// A caller who knows nothing of the directory.
pub(super) struct Outer<'a>(pub &'a dyn Caller);

impl Caller for Outer<'_> {
    fn open(&self, path: &str) -> io::Result<Box<dyn Read>> {
        self.0.open(outer(path))
    }

    fn wants(&self, path: &str, input: bool) -> bool {
        let path = outer(path);
        !path.is_empty() && self.0.wants(path, input)
    }

    fn reached(&self, stage: Stage) {
        self.0.reached(stage);
    }

    fn stopped(&self) -> bool {
        self.0.stopped()
    }

    fn restart(&self) {
        self.0.restart();
    }

    fn wrote(&self, stderr: bool, bytes: &[u8]) {
        self.0.wrote(stderr, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::InputKind;

    #[test]
    fn only_a_command_that_may_leave_something_anywhere_is_moved() {
        let output = |path: &str| OutputPath { path: path.into(), directory: true };
        let input = Input { path: "src/a".into(), kind: InputKind::Directory };
        let plain = Command { outputs: vec![output("out")], inputs: vec![input], ..Command::default() };
        assert_eq!(nested(&plain), None);
        let moved = nested(&Command { outputs: vec![output("")], directory: "pkg".into(), ..plain }).unwrap();
        assert_eq!((&moved.directory[..], &moved.inputs[0].path[..]), ("workspace/pkg", "workspace/src/a"));
        assert_eq!(moved.outputs, [output("workspace")]);
        assert_eq!((outer("workspace/a/b"), outer("workspace")), ("a/b", ""));
    }
}
