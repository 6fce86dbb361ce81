//! What a program did to the files below a directory: recorded by `shim.c`, read back.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One call; paths relative to the directory.
#[derive(Clone, Debug)]
pub enum Call {
    Open { fd: u32, path: String },
    Close { fd: u32 },
    Sync { fd: u32 },
    Create { path: String },
    Truncate { fd: u32, length: usize },
    Extend { fd: u32, length: usize },
    Write { fd: u32, at: usize, bytes: Vec<u8> },
    Rename { from: String, to: String },
    Link { from: String, to: String },
    Unlink { path: String },
    MakeDir { path: String },
    RemoveDir { path: String },
}

impl Call {
    /// Whether the disk differs after it.
    pub fn changes(&self) -> bool {
        !matches!(self, Call::Open { .. } | Call::Close { .. })
    }
}

/// Compiles the library that records; `None` where that is not possible.
pub fn compile(directory: &Path) -> Option<PathBuf> {
    let (source, library) = (directory.join("shim.c"), directory.join("shim.so"));
    std::fs::write(&source, include_str!("shim.c")).expect("writing the shim");
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).args(["-ldl", "-lpthread"]);
    let compiled = cfg!(target_os = "linux") && command.status().is_ok_and(|status| status.success());
    compiled.then_some(library)
}

/// Has `command` recorded, what it does below `root` into the file `log`.
pub fn record(command: &mut Command, library: &Path, root: &Path, log: &Path) {
    command.env("LD_PRELOAD", library).env("SHIM_ROOT", root).env("SHIM_LOG", log);
}

/// Reads a recording.
pub fn parse(mut bytes: &[u8], root: &Path) -> Vec<Call> {
    let mut calls = Vec::new();
    let root = root.to_str().expect("a path in UTF-8");
    while !bytes.is_empty() {
        let end = bytes.iter().position(|byte| *byte == b'\n').expect("a whole line");
        let line = std::str::from_utf8(&bytes[..end]).expect("text");
        bytes = &bytes[end + 1..];
        let (what, rest) = line.split_once(' ').expect("a call and what it is about");
        let path = |path: &str| path.strip_prefix(root).expect("a path of ours").trim_start_matches('/').to_owned();
        let numbers = || rest.split(' ').map(|number| number.parse::<usize>().expect("a number")).collect::<Vec<_>>();
        let two = || rest.split_once('\0').map(|(from, to)| (path(from), path(to))).expect("two paths");
        calls.push(match what {
            "open" => {
                let (fd, rest) = rest.split_once(' ').expect("a descriptor and a path");
                Call::Open { fd: fd.parse().expect("a number"), path: path(rest) }
            }
            "close" => Call::Close { fd: numbers()[0] as u32 },
            "sync" => Call::Sync { fd: numbers()[0] as u32 },
            "create" => Call::Create { path: path(rest) },
            "truncate" => Call::Truncate { fd: numbers()[0] as u32, length: numbers()[1] },
            "extend" => Call::Extend { fd: numbers()[0] as u32, length: numbers()[1] },
            "write" => {
                let (written, behind) = bytes.split_at(numbers()[2]);
                bytes = behind;
                Call::Write { fd: numbers()[0] as u32, at: numbers()[1], bytes: written.to_vec() }
            }
            "rename" => {
                let (from, to) = two();
                Call::Rename { from, to }
            }
            "link" => {
                let (from, to) = two();
                Call::Link { from, to }
            }
            "unlink" => Call::Unlink { path: path(rest) },
            "mkdir" => Call::MakeDir { path: path(rest) },
            "rmdir" => Call::RemoveDir { path: path(rest) },
            _ => panic!("an unknown call: {line}"),
        });
    }
    calls
}
