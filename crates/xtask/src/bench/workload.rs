//! The workload: packages of small text files, each bundled together with the sums of up to two packages before it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Failure, Result, check, path_failure};

/// How large it is.
pub struct Workload {
    /// Number of packages, one task each.
    pub tasks: usize,
    /// Source files of each.
    pub files: usize,
    /// Bytes of each file.
    pub bytes: usize,
}

/// What a file of source code has, about.
pub const USUAL_BYTES: usize = 2_000;

impl Workload {
    /// Writes the sources.
    pub fn write(&self, dir: &Path) -> Result<()> {
        for task in 0..self.tasks {
            let source = self.package(dir, task).join("src");
            fs::create_dir_all(&source).map_err(|e| path_failure("create", &source, e))?;
            for file in 0..self.files {
                self.write_source(dir, task, file, 0)?;
            }
        }
        Ok(())
    }

    /// Writes one source; another `version` has another content of the same length.
    pub fn write_source(&self, dir: &Path, task: usize, file: usize, version: usize) -> Result<()> {
        let path = self.source(dir, task, file);
        let mut text = format!("package {task} file {file} version {version:06}\n").repeat(self.bytes / 30);
        text.truncate(self.bytes);
        fs::write(&path, text).map_err(|e| path_failure("write", &path, e))
    }

    /// Where a source is.
    pub fn source(&self, dir: &Path, task: usize, file: usize) -> PathBuf {
        self.package(dir, task).join(format!("src/f{file}.txt"))
    }

    /// Where a package is.
    pub fn package(&self, dir: &Path, task: usize) -> PathBuf {
        dir.join(name(task))
    }

    /// Packages whose sums a package takes in.
    pub fn needs(&self, task: usize) -> impl Iterator<Item = usize> + use<> {
        let parents = if task == 0 { vec![] } else { vec![task / 2, task * 2 / 3] };
        parents
            .into_iter()
            .enumerate()
            .filter(move |(i, need)| *need != task && (*i == 0 || *need != task / 2))
            .map(|(_, need)| need)
    }

    /// What makes a package's outputs, run in the workload's directory.
    pub fn command(&self, task: usize) -> String {
        let own = name(task);
        let sums: Vec<_> = self.needs(task).map(|need| format!(" {}/out/sum.txt", name(need))).collect();
        format!(
            "mkdir -p {own}/out && cat {own}/src/*{} > {own}/out/bundle.txt && md5sum < {own}/out/bundle.txt > {own}/out/sum.txt",
            sums.concat()
        )
    }

    /// A package's outputs.
    pub fn outputs(&self, task: usize) -> [String; 2] {
        ["bundle", "sum"].map(|output| format!("{}/out/{output}.txt", name(task)))
    }

    /// Everything that the packages' tasks made is gone.
    pub fn remove_outputs(&self, dir: &Path) -> Result<()> {
        (0..self.tasks).try_for_each(|task| {
            let out = self.package(dir, task).join("out");
            match fs::remove_dir_all(&out) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(path_failure("remove", &out, e)),
                _ => Ok(()),
            }
        })
    }

    /// The bundles are what the sources and sums say.
    pub fn check(&self, dir: &Path) -> Result<()> {
        let read = |path: &Path| fs::read(path).map_err(|e| path_failure("read", path, e));
        for task in 0..self.tasks {
            let package = self.package(dir, task);
            let mut names: Vec<_> = (0..self.files).map(|file| format!("f{file}.txt")).collect();
            names.sort();
            let mut expected = Vec::new();
            for name in names {
                expected.extend(read(&package.join("src").join(name))?);
            }
            for need in self.needs(task) {
                expected.extend(read(&self.package(dir, need).join("out/sum.txt"))?);
            }
            let wrong = || format!("{} is wrong", package.join("out/bundle.txt").display());
            check(read(&package.join("out/bundle.txt"))? == expected, wrong)?;
        }
        Ok(())
    }
}

/// The name of a package.
pub fn name(task: usize) -> String {
    format!("p{task:05}")
}

/// Writes a file that describes the workload to a tool.
pub fn write(dir: &Path, name: &str, text: &str) -> Result<()> {
    fs::write(dir.join(name), text).map_err(|e| Failure(format!("cannot write {name}: {e}")))
}
