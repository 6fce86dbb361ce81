//! What git's configuration says of ignored files, at all of its levels, and which files were read for that.
//!
//! Read with gitoxide's `gix-config`, includes and their conditions as well. A file that cannot be understood counts
//! for nothing: git itself then refuses to work, and says why.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gix_config::file::init::Options;
use gix_config::file::{Metadata, includes};
use gix_config::path::interpolate;
use gix_config::{File, Source};

use crate::fs::git_repository::Repository;
use crate::model::Caller;

/// What git's configuration says of ignored files.
#[derive(Debug, Default)]
pub struct Settings {
    /// The user's own list of what to ignore, present or not.
    pub excludes_file: Option<PathBuf>,
    /// Whether case makes no difference between names.
    pub ignore_case: bool,
    /// Every file on whose content this depends, present or not.
    pub consulted: Vec<PathBuf>,
}

impl Settings {
    /// Reads the configuration that holds in a repository, or the user's and the system's without one.
    pub fn read(repository: Option<&Repository>, caller: &Caller) -> Settings {
        let home = variable(caller, "HOME").map(Path::new);
        let mut settings = Settings::default();
        let config = combined(repository, caller, home, &mut settings.consulted);
        let interpolation = interpolate::Context { home_dir: home, ..Default::default() };
        settings.excludes_file = match config.path("core.excludesFile") {
            // An empty one takes the default away.
            Some(path) => path.interpolate(interpolation).ok().map(|path| match repository {
                Some(repository) => repository.top.join(path),
                None => path,
            }),
            None => user_directory(caller).map(|dir| dir.join("ignore")),
        };
        settings.excludes_file.take_if(|path| !path.is_absolute());
        settings.ignore_case = matches!(config.boolean("core.ignoreCase"), Ok(Some(true)));
        settings
    }
}

fn variable<'c>(caller: &'c Caller, name: &str) -> Option<&'c OsString> {
    caller.get(OsStr::new(name)).filter(|value| !value.is_empty())
}

/// Returns git's directory in the user's configuration.
fn user_directory(caller: &Caller) -> Option<PathBuf> {
    let config = variable(caller, "XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| Some(Path::new(variable(caller, "HOME")?).join(".config")));
    config.map(|dir| dir.join("git"))
}

/// Returns the configuration of all levels, the most particular one last.
fn combined(
    repository: Option<&Repository>,
    caller: &Caller,
    home: Option<&Path>,
    consulted: &mut Vec<PathBuf>,
) -> File {
    let mut config = File::default();
    for (path, source) in general(caller, home) {
        append(&mut config, path, source, consulted);
    }
    if let Some(repository) = repository {
        append(&mut config, repository.common_dir.join("config"), Source::Local, consulted);
        if matches!(config.boolean("extensions.worktreeConfig"), Ok(Some(true))) {
            append(&mut config, repository.git_dir.join("config.worktree"), Source::Worktree, consulted);
        }
    }
    include(&mut config, repository, home, consulted);
    from_variables(caller, &mut config);
    config
}

/// Returns where the configuration of the system and of the user is.
fn general(caller: &Caller, home: Option<&Path>) -> Vec<(PathBuf, Source)> {
    let mut files = Vec::new();
    let off = |value: &OsString| !matches!(value.as_bytes(), b"0" | b"false" | b"no" | b"off");
    if !variable(caller, "GIT_CONFIG_NOSYSTEM").is_some_and(off) {
        let system = variable(caller, "GIT_CONFIG_SYSTEM").map_or("/etc/gitconfig".into(), PathBuf::from);
        files.push((system, Source::System));
    }
    match variable(caller, "GIT_CONFIG_GLOBAL") {
        Some(global) => files.push((global.into(), Source::User)),
        None => {
            files.extend(user_directory(caller).map(|dir| (dir.join("config"), Source::Git)));
            files.extend(home.map(|home| (home.join(".gitconfig"), Source::User)));
        }
    }
    files
}

fn append(config: &mut File, path: PathBuf, source: Source, consulted: &mut Vec<PathBuf>) {
    let text = fs::read(&path);
    consulted.push(path.clone());
    let Ok(mut text) = text else { return };
    let metadata = Metadata::from(source).at(path);
    let read = File::from_bytes_owned(&mut text, metadata, Options::default());
    if let Err(e) = read.and_then(|read| config.append(read).map(drop)) {
        log::info!("git's configuration: {e}");
    }
}

/// Follows what the configuration includes.
fn include(config: &mut File, repository: Option<&Repository>, home: Option<&Path>, consulted: &mut Vec<PathBuf>) {
    let names_other_files = |config: &File| {
        ["include", "includeIf"]
            .iter()
            .any(|name| config.sections_by_name(name).is_some_and(|mut all| all.next().is_some()))
    };
    if !names_other_files(config) {
        return;
    }
    // On which branch the worktree is decides on some.
    let head = repository.map(|repository| repository.git_dir.join("HEAD"));
    let branch = head.as_ref().and_then(|head| fs::read_to_string(head).ok());
    let branch = branch.as_deref().and_then(|text| text.strip_prefix("ref:")?.trim().try_into().ok());
    consulted.extend(head);
    let interpolation = interpolate::Context { home_dir: home, ..Default::default() };
    let git_dir = repository.map(|repository| repository.git_dir.as_path());
    let conditional = includes::conditional::Context { git_dir, branch_name: branch };
    let options = Options { includes: includes::Options::follow(interpolation, conditional), ..Default::default() };
    if let Err(e) = config.resolve_includes(options) {
        log::info!("git's configuration: {e}");
    }
    for section in config.sections().filter(|section| is_include(section.header().name())) {
        let beside = section.meta().path.as_deref().and_then(Path::parent).unwrap_or(Path::new("/"));
        let paths = section.values("path").into_iter();
        let paths = paths.filter_map(|path| gix_config::Path::from(path).interpolate(interpolation).ok());
        consulted.extend(paths.map(|path| beside.join(path)));
    }
}

fn is_include(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"include") || name.eq_ignore_ascii_case(b"includeIf")
}

/// Adds what `GIT_CONFIG_COUNT` and its like set, of that what is asked for here: any other text as a key makes the
/// library panic.
fn from_variables(caller: &Caller, config: &mut File) {
    let count = variable(caller, "GIT_CONFIG_COUNT").and_then(|count| count.to_str()?.parse::<usize>().ok());
    for i in 0..count.unwrap_or(0).min(caller.len()) {
        let key = variable(caller, &format!("GIT_CONFIG_KEY_{i}"));
        let value = caller.get(OsStr::new(&format!("GIT_CONFIG_VALUE_{i}")));
        let Some((key, value)) = key.zip(value) else { continue };
        let known = ["core.excludesFile", "core.ignoreCase"].into_iter().find(|known| key.eq_ignore_ascii_case(known));
        if let Some(known) = known
            && let Err(e) = config.set_raw_value(known, value.as_bytes())
        {
            log::info!("git's configuration: {known}: {e}");
        }
    }
}

#[cfg(test)]
mod tests;
