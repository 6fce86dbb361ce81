//! The settings of the root file that all tasks share: `[workspace]`, `[cache]` and `[pools]`.
//!
//! Knows no task.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::build::Common;
use super::inputs::DEFAULT_INPUTS;
use super::keys::{ExecutionKeys, FileKeys, RemoteKeys, TaskKeys, WorkspaceKeys};
use super::pools::{self, StatedPool};
use super::report::{At, Report};
use crate::model::path::RelPath;
use crate::model::remote::{ExecutionSettings, RemoteSettings};
use crate::model::{CacheSettings, Jobserver};

/// The settings of a workspace.
pub(super) struct Settings {
    pub cache: CacheSettings,
    /// `dir` of `[cache]`, with its place.
    dir: Option<At<String>>,
    pub remote: RemoteSettings,
    pub pools: Vec<StatedPool>,
    env: BTreeMap<String, String>,
    pub jobserver: Option<Jobserver>,
    pub follow: Vec<RelPath>,
    pub default: Option<Vec<At<String>>>,
    /// What `[workspace]` states for every task with a command.
    pub defaults: TaskKeys<At<String>>,
}

impl Settings {
    /// Takes the settings out of the root file, and leaves the tasks. Reports mistakes.
    pub fn take(keys: &mut FileKeys, report: &mut Report) -> Settings {
        let mut workspace = keys.workspace.take().unwrap_or_default();
        let defaults = defaults(&mut workspace, report);
        let cache = keys.cache.take().unwrap_or_default();
        Settings {
            cache: CacheSettings {
                dir: cache.dir.as_ref().map(|dir| PathBuf::from(&dir.value)),
                maxage: cache.maxage,
                maxsize: cache.maxsize,
                check_rate: cache.check_rate.unwrap_or_default(),
            },
            dir: cache.dir,
            remote: remote(keys.remote.take().unwrap_or_default()),
            pools: pools::all(keys.pools.take().unwrap_or_default()),
            env: variables(workspace.env.take().unwrap_or_default(), report),
            jobserver: workspace.jobserver.flatten(),
            follow: follow(&workspace.follow.unwrap_or_default(), report),
            default: workspace.default,
            defaults,
        }
    }

    /// Returns what tasks need of the settings.
    pub fn common<'c>(&'c self, args: &'c [String]) -> Common<'c> {
        Common { args, pools: &self.pools, env: &self.env, follow: &self.follow }
    }

    /// Reports a store that contains the workspace: nothing in a store is an input or output, so it would hide all of
    /// it.
    pub fn check_store(&self, report: &mut Report, root: &Path, store: &Path) {
        let Some(dir) = self.dir.as_ref().filter(|dir| !dir.value.is_empty()) else { return };
        if store.canonicalize().is_ok_and(|store| root.starts_with(store)) {
            let hint = "give it a directory of its own, for example `.percache`".to_owned();
            let label = "contains this file";
            report.error("the store would contain the workspace", dir.at.clone(), label).hint(hint);
        }
    }
}

/// Returns the variables that `[workspace]` sets. Reports one that it would take away.
fn variables(stated: Vec<(At<String>, Option<At<String>>)>, report: &mut Report) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for (name, value) in stated {
        match value {
            Some(value) => drop(variables.insert(name.value, value.value)),
            None => {
                let title = format!("`{} = false` takes nothing away", name.value);
                let hint = "leave it out; in a task, it takes away what a template or [workspace] sets".to_owned();
                report.error(title, name.at, "is set by nothing before it").hint(hint);
            }
        }
    }
    variables
}

fn remote(keys: RemoteKeys) -> RemoteSettings {
    let text = |text: Option<At<String>>| text.map(|text| text.value);
    let tls = keys.tls.unwrap_or_default();
    RemoteSettings {
        url: text(keys.url),
        instance: text(keys.instance),
        read: text(keys.read),
        write: text(keys.write),
        trust: keys.trust.map(|keys| keys.into_iter().map(|key| key.value).collect()),
        sign_with: text(keys.sign_with),
        download: text(keys.download),
        headers: keys.headers.into_iter().flatten().map(|(name, value)| (name.value, value.value)).collect(),
        ca: text(tls.ca),
        cert: text(tls.cert),
        key: text(tls.key),
        execution: execution(keys.execution.unwrap_or_default()),
    }
}

fn execution(keys: ExecutionKeys) -> ExecutionSettings {
    let text = |text: Option<At<String>>| text.map(|text| text.value);
    let texts = |table: Option<Vec<(At<String>, At<String>)>>| {
        table.into_iter().flatten().map(|(name, value)| (name.value, value.value)).collect()
    };
    let tls = keys.tls.unwrap_or_default();
    ExecutionSettings {
        url: text(keys.url),
        instance: text(keys.instance),
        platform: texts(keys.platform),
        jobs: keys.jobs,
        headers: texts(keys.headers),
        ca: text(tls.ca),
        cert: text(tls.cert),
        key: text(tls.key),
    }
}

/// Takes the keys out of `[workspace]` that every task with a command gets.
fn defaults(workspace: &mut WorkspaceKeys, report: &mut Report) -> TaskKeys<At<String>> {
    let inputs = workspace.inputs.take();
    if let Some(input) = inputs.iter().flatten().find(|input| input.value == DEFAULT_INPUTS) {
        let hint = "leave it out: tasks without `inputs` keep their default beside these".to_owned();
        let title = format!("`{DEFAULT_INPUTS}` in `inputs` of [workspace]");
        report.error(title, input.at.clone(), "means something in a task only").hint(hint);
    }
    TaskKeys {
        env_from: workspace.env_from.take(),
        env_pass: workspace.env_pass.take(),
        tools: workspace.tools.take(),
        shell: workspace.shell.take(),
        inputs,
        ..TaskKeys::default()
    }
}

/// Returns the directories of `follow`. Reports mistakes.
fn follow(stated: &[At<String>], report: &mut Report) -> Vec<RelPath> {
    let mut follow = Vec::with_capacity(stated.len());
    for dir in stated {
        let at = dir.at.clone();
        match RelPath::new(&dir.value) {
            Ok(path) if path.is_root() => {
                let hint = "name the directory of outputs that is a symlink: `follow = [\"build\"]`".to_owned();
                report.error("`follow` names the workspace", at, "is where the workspace lies").hint(hint);
            }
            Ok(path) if dir.value.contains(['*', '?', '[', '{']) => {
                let hint = "name each directory: `follow = [\"build\", \"dist\"]`".to_owned();
                let title = format!("`{path}` in `follow` is a pattern");
                report.error(title, at, "has a wildcard").hint(hint);
            }
            Ok(path) => follow.push(path),
            Err(error) => {
                let hint = "name the symlink, inside of the workspace; where it leads is up to you".to_owned();
                report.error(format!("`{}` cannot be followed", dir.value), at, error.to_string()).hint(hint);
            }
        }
    }
    follow
}
