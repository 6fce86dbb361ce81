//! A worker within a test: it does execute what it is told to, in a directory of its own and without a cage.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use prost::Message;

use crate::digest::Blob;
use crate::reapi::v2;
use crate::service::reapi::{blob, digest};

/// What happens to contents when an action is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    Nothing,
    /// What the action needs has been dropped.
    LosesInputs,
    /// What it has made is dropped.
    LosesOutputs,
    /// What it has made is changed in place.
    SpoilsOutputs,
}

pub(super) type Blobs = HashMap<Blob, Vec<u8>>;

/// Executes an action. The error names a content that it lacks.
pub(super) fn work(blobs: &mut Blobs, action: &Blob, mishap: Mishap) -> Result<v2::ActionResult, Blob> {
    if mishap == Mishap::LosesInputs {
        blobs.clear();
    }
    let action = v2::Action::decode(&blobs.get(action).ok_or(*action)?[..]).unwrap();
    let command = v2::Command::decode(&content(blobs, action.command_digest.as_ref())?[..]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    lay_out(blobs, dir.path(), action.input_root_digest.as_ref())?;
    let at = dir.path().join(&command.working_directory);
    for path in &command.output_paths {
        fs::create_dir_all(at.join(path).parent().unwrap()).unwrap();
    }
    let environment = command.environment_variables.iter().map(|variable| (&variable.name, &variable.value));
    let mut run = Command::new(&command.arguments[0]);
    let ran = run.args(&command.arguments[1..]).env_clear().envs(environment).current_dir(&at).output().unwrap();
    let mut result = v2::ActionResult {
        exit_code: ran.status.code().unwrap_or(-1),
        stdout_raw: ran.stdout.into(),
        stderr_raw: ran.stderr.into(),
        ..Default::default()
    };
    let mut made = Blobs::new();
    for path in &command.output_paths {
        add_output(&mut result, &mut made, path, &at.join(path));
    }
    if mishap == Mishap::SpoilsOutputs {
        made.values_mut().for_each(|bytes| bytes.push(b'!'));
    }
    if mishap != Mishap::LosesOutputs {
        blobs.extend(made);
    }
    Ok(result)
}

fn content(blobs: &Blobs, named: Option<&v2::Digest>) -> Result<Vec<u8>, Blob> {
    let named = blob(named.unwrap()).unwrap();
    // Nobody uploads what is empty.
    let empty = || (named.length == 0).then(Vec::new);
    // A worker that takes anything for an input cannot be told from one that is right.
    let sound = blobs.get(&named).filter(|bytes| named.is(bytes));
    sound.cloned().or_else(empty).ok_or(named)
}

fn lay_out(blobs: &Blobs, at: &Path, named: Option<&v2::Digest>) -> Result<(), Blob> {
    let directory = v2::Directory::decode(&content(blobs, named)?[..]).unwrap();
    fs::create_dir_all(at).unwrap();
    for file in &directory.files {
        let path = at.join(&file.name);
        fs::write(&path, content(blobs, file.digest.as_ref())?).unwrap();
        let mode = if file.is_executable { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    for link in &directory.symlinks {
        symlink(&link.target, at.join(&link.name)).unwrap();
    }
    directory.directories.iter().try_for_each(|node| lay_out(blobs, &at.join(&node.name), node.digest.as_ref()))
}

fn add_output(result: &mut v2::ActionResult, made: &mut Blobs, path: &str, at: &Path) {
    let Ok(metadata) = at.symlink_metadata() else { return };
    let path = path.to_owned();
    if metadata.is_symlink() {
        let target = target(at);
        result.output_symlinks.push(v2::OutputSymlink { path, target, ..Default::default() });
    } else if metadata.is_dir() {
        let mut children = Vec::new();
        let root = Some(pack(made, at, &mut children));
        let tree = v2::Tree { root, children }.encode_to_vec();
        let tree_digest = Some(digest(&add(made, tree)));
        result.output_directories.push(v2::OutputDirectory { path, tree_digest, ..Default::default() });
    } else {
        let digest = Some(digest(&add(made, fs::read(at).unwrap())));
        let is_executable = metadata.permissions().mode() & 0o100 != 0;
        result.output_files.push(v2::OutputFile { path, digest, is_executable, ..Default::default() });
    }
}

/// Packs a directory, and adds those below it to `children`.
fn pack(made: &mut Blobs, at: &Path, children: &mut Vec<v2::Directory>) -> v2::Directory {
    let mut directory = v2::Directory::default();
    let mut entries: Vec<_> = fs::read_dir(at).unwrap().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (name, at) = (entry.file_name().into_string().unwrap(), entry.path());
        let metadata = at.symlink_metadata().unwrap();
        if metadata.is_symlink() {
            let target = target(&at);
            directory.symlinks.push(v2::SymlinkNode { name, target, node_properties: None });
        } else if metadata.is_dir() {
            let child = pack(made, &at, children);
            let digest = Some(digest(&Blob::of(&child.encode_to_vec())));
            if !children.contains(&child) {
                children.push(child);
            }
            directory.directories.push(v2::DirectoryNode { name, digest });
        } else {
            let digest = Some(digest(&add(made, fs::read(&at).unwrap())));
            let is_executable = metadata.permissions().mode() & 0o100 != 0;
            directory.files.push(v2::FileNode { name, digest, is_executable, node_properties: None });
        }
    }
    directory
}

fn target(at: &Path) -> String {
    fs::read_link(at).unwrap().to_str().unwrap().to_owned()
}

fn add(made: &mut Blobs, bytes: Vec<u8>) -> Blob {
    let blob = Blob::of(&bytes);
    made.insert(blob, bytes);
    blob
}
