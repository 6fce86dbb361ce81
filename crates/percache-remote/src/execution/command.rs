//! What is to be executed, and the messages that say so to a server.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;

use crate::digest::Blob;
use crate::reapi::{protobuf, v2};
use crate::service::reapi::digest;

/// A command with everything that it needs. Paths are relative to the root of the inputs, and have no `..`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The name of the task, for people who look at the server.
    pub task: String,
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// Its environment: all of it, sorted by name.
    pub environment: Vec<(String, String)>,
    /// The directory that it runs in; empty for the root.
    pub directory: String,
    /// What it finds.
    pub inputs: Vec<Input>,
    /// Where it leaves what is wanted of it.
    pub outputs: Vec<OutputPath>,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// Whether results that the server has cached are of no use.
    pub fresh: bool,
    /// Whether the server may cache its result.
    pub cacheable: bool,
}

/// Something that a command finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its path.
    pub path: String,
    /// What it is.
    pub kind: InputKind,
}

/// What an input is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// A file.
    File {
        /// The local name of its content.
        digest: percache::Digest,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symlink, with its target.
    Symlink(String),
    /// A directory, which may be empty.
    Directory,
}

/// Where outputs are expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutputPath {
    /// The path; empty for the root.
    pub path: String,
    /// Whether it must be a directory.
    pub directory: bool,
}

/// The messages of an action.
pub(super) struct Messages {
    /// The name of the action.
    pub action: Blob,
    /// In front of the paths of what comes back.
    pub base: String,
}

/// Makes the messages of an action, and adds them to `messages`.
#[allow(deprecated, reason = "older servers know the older fields alone")]
pub(super) fn encode(
    command: &Command,
    root: &Blob,
    platform: &[(String, String)],
    messages: &mut BTreeMap<Blob, Vec<u8>>,
) -> Messages {
    let (arguments, base) = placed(command);
    let relative = |output: &OutputPath| below(&output.path, &base).unwrap_or_default().to_owned();
    let of_kind = |directory: bool| {
        let paths = command.outputs.iter().filter(|output| output.directory == directory).map(relative);
        sorted(paths.collect())
    };
    let property =
        |(name, value): &(String, String)| v2::platform::Property { name: name.clone(), value: value.clone() };
    let platform = v2::Platform { properties: sorted_platform(platform).iter().map(property).collect() };
    let platform = Some(platform).filter(|platform| !platform.properties.is_empty());
    let variable = |(name, value): &(String, String)| v2::command::EnvironmentVariable {
        name: name.clone(),
        value: value.clone(),
    };
    let message = v2::Command {
        arguments,
        environment_variables: command.environment.iter().map(variable).collect(),
        output_files: of_kind(false),
        output_directories: of_kind(true),
        output_paths: sorted(command.outputs.iter().map(relative).collect()),
        platform: platform.clone(),
        working_directory: base.clone(),
        ..Default::default()
    };
    let mut add = |bytes: Vec<u8>| {
        let blob = Blob::of(&bytes);
        messages.insert(blob, bytes);
        blob
    };
    let command_digest = Some(digest(&add(message.encode_to_vec())));
    let action = v2::Action {
        command_digest,
        input_root_digest: Some(digest(root)),
        timeout: command.timeout.map(|timeout| protobuf::Duration {
            seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            nanos: timeout.subsec_nanos() as i32,
        }),
        do_not_cache: !command.cacheable,
        platform,
        ..Default::default()
    };
    Messages { action: add(action.encode_to_vec()), base }
}

/// Returns the arguments, and the working directory. That is the directory of the command if all outputs lie below it.
/// If not, it is the root, because paths of outputs cannot go up or be empty, and a shell changes the directory.
fn placed(command: &Command) -> (Vec<String>, String) {
    let directory = &command.directory;
    let is_below = |output: &OutputPath| below(&output.path, directory).is_some_and(|rest| !rest.is_empty());
    if directory.is_empty() || command.outputs.iter().all(is_below) {
        return (command.arguments.clone(), directory.clone());
    }
    let change = ["sh", "-c", "cd -- \"$1\" && shift && exec \"$@\"", "sh", directory].map(str::to_owned);
    (change.into_iter().chain(command.arguments.iter().cloned()).collect(), String::new())
}

/// Returns what is left of a path below a directory.
fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    if directory.is_empty() {
        return Some(path);
    }
    let rest = path.strip_prefix(directory)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

fn sorted(mut paths: Vec<String>) -> Vec<String> {
    paths.sort();
    paths.dedup();
    paths
}

fn sorted_platform(platform: &[(String, String)]) -> Vec<(String, String)> {
    let mut platform = platform.to_vec();
    platform.sort();
    platform
}

#[cfg(test)]
#[allow(deprecated, reason = "older servers know the older fields alone")]
mod tests {
    use super::*;

    fn output(path: &str, directory: bool) -> OutputPath {
        OutputPath { path: path.into(), directory }
    }

    fn sent(command: &Command) -> (v2::Command, v2::Action) {
        let mut messages = BTreeMap::new();
        let platform = [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())];
        let named = encode(command, &Blob::of(b"root"), &platform, &mut messages);
        let action = v2::Action::decode(&messages[&named.action][..]).unwrap();
        let (_, bytes) = messages.iter().find(|(blob, _)| Some(digest(blob)) == action.command_digest).unwrap();
        (v2::Command::decode(&bytes[..]).unwrap(), action)
    }

    #[test]
    fn outputs_are_relative_to_the_directory_if_they_lie_below_it() {
        let command = Command {
            arguments: vec!["make".into()],
            directory: "pkg".into(),
            outputs: vec![output("pkg/out", true), output("pkg/a.txt", false)],
            timeout: Some(Duration::from_millis(1_500)),
            cacheable: true,
            ..Command::default()
        };
        let (message, action) = sent(&command);
        assert_eq!((&message.working_directory[..], &message.arguments[..]), ("pkg", &["make".to_owned()][..]));
        assert_eq!(message.output_paths, ["a.txt", "out"]);
        assert_eq!(
            (&message.output_files[..], &message.output_directories[..]),
            (&["a.txt".into()][..], &["out".into()][..])
        );
        let names: Vec<_> = message.platform.unwrap().properties.into_iter().map(|of| of.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(action.platform.unwrap().properties.len(), 2);
        let timeout = action.timeout.unwrap();
        assert_eq!((timeout.seconds, timeout.nanos, action.do_not_cache), (1, 500_000_000, false));
    }

    #[test]
    fn a_shell_changes_the_directory_if_an_output_lies_elsewhere() {
        let command = Command {
            arguments: vec!["make".into(), "all".into()],
            directory: "pkg".into(),
            outputs: vec![output("pkg/a", false), output("pkgs/b", false)],
            ..Command::default()
        };
        let (message, action) = sent(&command);
        assert_eq!((&message.working_directory[..], message.output_paths), ("", vec!["pkg/a".into(), "pkgs/b".into()]));
        assert_eq!(
            (&message.arguments[0][..], &message.arguments[4..]),
            ("sh", &["pkg".into(), "make".into(), "all".into()][..])
        );
        assert!(action.do_not_cache);
        let itself = Command { outputs: vec![output("pkg", true)], ..command };
        assert_eq!(sent(&itself).0.output_paths, ["pkg"]);
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("pkg")).unwrap();
        let mut arguments = message.arguments.clone();
        arguments.truncate(5);
        let ran = std::process::Command::new(&arguments[0]).args(&arguments[1..]).arg("pwd").current_dir(&dir).output();
        assert!(String::from_utf8(ran.unwrap().stdout).unwrap().ends_with("/pkg\n"));
    }
}
