//! The binary that is packed, without symbols, and what belongs to it on every system: manual pages, completions, licences.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::File;
use crate::run::{Failure, Result, cargo, check, host, path_failure, repository, run};

/// The binary, and for which system it is.
pub struct Binary {
    pub bytes: Vec<u8>,
    /// As rustc names it: `x86_64-unknown-linux-gnu`.
    pub target: String,
    /// Where cargo puts what it builds.
    pub directory: PathBuf,
    /// README, licences, changelog.
    pub documents: Vec<File>,
    /// `man1/percache.1`, …
    pub manuals: Vec<File>,
    /// The scripts for shells, by the names under which shells look for them.
    pub completions: Vec<File>,
}

/// Builds percache, and lets it write what goes with it.
pub fn build() -> Result<Binary> {
    run(&mut cargo(["build", "--release", "-p", "percache-cli"]))?;
    let own = std::env::current_exe().map_err(|error| Failure(format!("cannot find the target directory: {error}")))?;
    let built = own.with_file_name(format!("percache{}", std::env::consts::EXE_SUFFIX));
    let directory = own.ancestors().nth(2).unwrap_or(Path::new(".")).to_owned();
    let scratch = directory.join("dist/scratch");
    fs::create_dir_all(&scratch).map_err(|error| path_failure("create", &scratch, error))?;
    let binary = Binary {
        bytes: stripped(&built, &scratch)?,
        target: host()?,
        directory,
        documents: documents()?,
        manuals: manuals(&built, &scratch)?,
        completions: completions(&built)?,
    };
    fs::remove_dir_all(&scratch).map_err(|error| path_failure("remove", &scratch, error))?;
    Ok(binary)
}

fn stripped(built: &Path, scratch: &Path) -> Result<Vec<u8>> {
    let to = scratch.join("percache");
    run(Command::new("strip").arg("-o").args([&to, built]))?;
    read(&to)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| path_failure("read", path, error))
}

fn output(program: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| path_failure("run", program, error))?;
    check(output.status.success(), || format!("`{} {}` failed", program.display(), arguments.join(" ")))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn documents() -> Result<Vec<File>> {
    let names = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];
    names.into_iter().map(|name| Ok(File::new(name, read(&repository().join(name))?))).collect()
}

fn manuals(built: &Path, scratch: &Path) -> Result<Vec<File>> {
    let directory = scratch.join("man1");
    output(built, &["man", &directory.to_string_lossy()])?;
    let entries = fs::read_dir(&directory).map_err(|error| path_failure("read", &directory, error))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| path_failure("read", &directory, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push(File::new(format!("man1/{name}"), read(&path)?));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn completions(built: &Path) -> Result<Vec<File>> {
    let shells = [
        ("bash", "bash-completion/completions/percache"),
        ("zsh", "zsh/site-functions/_percache"),
        ("fish", "fish/vendor_completions.d/percache.fish"),
        ("powershell", "powershell/percache.ps1"),
        ("elvish", "elvish/lib/percache.elv"),
    ];
    shells.into_iter().map(|(shell, path)| Ok(File::new(path, output(built, &["completions", shell])?))).collect()
}
