//! Tasks of a Taskfile (go-task). One with `sources` says what it reads, and with `generates` what it writes: then it
//! is cached.

use std::path::Path;

use super::nature::{Nature, endless, nature};
use super::write::task_name;
use super::{InitError, Part, Proposed, list, parsed, read, string};
use crate::syntax::data::{Data, Format};

const NAMES: [&str; 4] = ["Taskfile.yml", "Taskfile.yaml", "taskfile.yml", "taskfile.yaml"];
const UNSTATED: &str = "Always runs. State `inputs` and `outputs` and take `cache` away to have it cached.";

pub(super) fn look(dir: &Path) -> Result<Option<Part>, InitError> {
    let Some((file, text)) = NAMES.iter().find_map(|name| Some((*name, read(dir, name)?))) else { return Ok(None) };
    let data = parsed(file, Format::Yaml, &text)?;
    let files = files(dir, file, &data);
    let tasks = data.get("tasks").into_iter().flat_map(Data::entries).filter(|(name, task)| is_called(name, task));
    let tasks: Vec<Proposed> = tasks.map(|(name, task)| proposed(name, task, &data, &files)).collect();
    let part = Part { found: "a Taskfile".to_owned(), prefix: "task", tasks, ..Part::default() };
    Ok(Some(part).filter(|part| !part.tasks.is_empty()))
}

/// Returns whether people call a task by its name.
fn is_called(name: &str, task: &Data) -> bool {
    let is_internal = task.get("internal") == Some(&Data::Bool(true));
    !name.contains('*') && !is_internal && task.get("requires").is_none() && !task_name(name).is_empty()
}

/// Returns the files that say what the tasks are: the Taskfile, what it includes, and what variables it reads. Fails
/// with what is not known.
fn files(dir: &Path, file: &str, data: &Data) -> Result<Vec<String>, String> {
    let mut files = vec![file.to_owned()];
    for (name, include) in data.get("includes").into_iter().flat_map(Data::entries) {
        let place = include.text().or_else(|| include.get("taskfile").and_then(Data::text)).unwrap_or_default();
        let place = place.trim_start_matches("./").trim_end_matches('/');
        let inside = NAMES.iter().map(|name| format!("{place}/{name}"));
        let mut candidates = std::iter::once(place.to_owned()).chain(inside);
        let found = candidates.find(|path| !path.starts_with('/') && dir.join(path).is_file());
        files.push(found.ok_or_else(|| format!("it is not known what `{name}` includes"))?);
    }
    let dotenv = data.get("dotenv").into_iter().flat_map(Data::texts);
    for path in dotenv {
        match path.contains("{{") || !dir.join(path).is_file() {
            true => return Err(format!("`{path}` of `dotenv` is not here")),
            false => files.push(path.to_owned()),
        }
    }
    Ok(files)
}

fn proposed(name: &str, task: &Data, data: &Data, files: &Result<Vec<String>, String>) -> Proposed {
    let kind = nature(name);
    let description = task.get("desc").and_then(Data::text);
    let mut keys: Vec<(&'static str, String)> = description.iter().map(|text| ("description", string(text))).collect();
    keys.push(("command", list(&["task", name])));
    let mut comment = String::new();
    match (kind, files_of(task, data, files)) {
        (Nature::Interactive | Nature::Server, _) => keys.push(endless(kind)),
        (_, Ok((inputs, outputs))) => {
            keys.push(("inputs", list(&inputs)));
            if !outputs.is_empty() {
                keys.push(("outputs", list(&outputs)));
            }
        }
        (_, Err(why)) => {
            comment = UNSTATED.to_owned();
            if let Some(why) = why {
                comment.push_str(&format!("\nWhat the Taskfile says is not all: {why}."));
            }
            keys.push(("cache", "false".to_owned()));
        }
    }
    let default = name == "default" || matches!(kind, Nature::Build | Nature::Check);
    Proposed { name: task_name(name), comment, keys, default }
}

/// Returns the inputs and outputs of a task; fails if the Taskfile does not say all of them, with the reason if it says
/// any.
fn files_of(
    task: &Data,
    data: &Data,
    files: &Result<Vec<String>, String>,
) -> Result<(Vec<String>, Vec<String>), Option<String>> {
    if task.get("sources").is_none() {
        return Err(None);
    }
    let (sources, outputs) = (patterns(task, "sources")?, patterns(task, "generates")?);
    let mut inputs = sources;
    if inputs.first().is_none_or(|first| first.starts_with('!')) {
        return Err(Some("`sources` takes away from nothing".to_owned()));
    }
    // Each of these makes it depend on more than its sources.
    if let Some(key) = ["deps", "dir", "dotenv", "status"].into_iter().find(|key| task.get(key).is_some()) {
        return Err(Some(format!("it has `{key}`")));
    }
    let calls =
        |command: &Data| command.get("task").is_some() || command.get("defer").is_some_and(|d| d.get("task").is_some());
    if task.get("cmds").into_iter().flat_map(Data::items).any(calls) {
        return Err(Some("it calls tasks that have sources of their own".to_owned()));
    }
    let variables = [data, task].into_iter().flat_map(|of| ["vars", "env"].map(|key| of.get(key))).flatten();
    if let Some((name, _)) = variables.flat_map(Data::entries).find(|(_, value)| value.get("sh").is_some()) {
        return Err(Some(format!("a command says what `{name}` is")));
    }
    inputs.extend(files.clone().map_err(Some)?);
    Ok((inputs, outputs))
}

/// Returns the patterns of a key; fails with what only go-task can tell.
fn patterns(task: &Data, key: &str) -> Result<Vec<String>, Option<String>> {
    let pattern = |item: &Data| match item.get("exclude").and_then(Data::text) {
        // `exclude: PATTERN` takes away.
        Some(excluded) => Some(format!("!{excluded}")),
        None => item.text().map(str::to_owned),
    };
    let is_known = |pattern: &String| !pattern.contains("{{") && !pattern.contains('$');
    let items = task.get(key).into_iter().flat_map(Data::items);
    let patterns: Option<Vec<String>> = items.map(|item| pattern(item).filter(is_known)).collect();
    patterns.ok_or_else(|| Some(format!("only go-task knows the values in `{key}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_generates_are_inputs_and_outputs() {
        let text = "version: '3'\nvars:\n  a: b\nincludes: {x: ./x}\ndotenv: [.env]\ntasks:\n  default:\n    cmds: [x]\n  'db:reset':\n    desc: y\n  short: echo\n  \
                    gen:\n    sources: [a.txt, exclude: b.txt]\n    generates: [out]\n  hidden:\n    internal: true\n";
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("x")).unwrap();
        for (file, text) in [("Taskfile.yml", text), ("x/Taskfile.yml", ""), (".env", "")] {
            std::fs::write(dir.path().join(file), text).unwrap();
        }
        let part = look(dir.path()).unwrap().unwrap();
        let names: Vec<&str> = part.tasks.iter().map(|task| task.name.as_str()).collect();
        assert_eq!(names, ["db-reset", "default", "gen", "short"]);
        let keys: Vec<String> = part.tasks[2].keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let inputs = r#"inputs = ["a.txt", "!b.txt", "Taskfile.yml", "x/Taskfile.yml", ".env"]"#;
        assert_eq!(keys, [r#"command = ["task", "gen"]"#, inputs, r#"outputs = ["out"]"#]);
    }

    /// What a task reads beside its sources would not be noticed.
    #[test]
    fn a_task_that_depends_on_more_than_its_sources_always_runs() {
        let dir = tempfile::tempdir().unwrap();
        let proposed = |top: &str, task: &str| {
            let text = format!("version: '3'\n{top}tasks:\n  gen:\n    cmds: [x]\n    sources: [a.txt]\n    {task}\n");
            std::fs::write(dir.path().join("Taskfile.yml"), text).unwrap();
            look(dir.path()).unwrap().unwrap().tasks.remove(0)
        };
        let is_cached = |task: &Proposed| !task.keys.iter().any(|(key, _)| *key == "cache");
        assert!(is_cached(&proposed("vars: {A: b}\n", "env: {C: d}")));
        for (top, task, why) in [
            ("", "deps: [other]", "`deps`"),
            ("", "dir: x", "`dir`"),
            ("", "status: [test -f x]", "`status`"),
            ("", "generates: ['{{.OUT}}']", "`generates`"),
            ("", "vars: {V: {sh: git describe}}", "what `V` is"),
            ("env: {V: {sh: git describe}}\n", "desc: x", "what `V` is"),
            ("includes: {far: 'https://x/y.yml'}\n", "desc: x", "what `far` includes"),
            ("dotenv: ['.env']\n", "desc: x", "`.env` of `dotenv`"),
        ] {
            let proposed = proposed(top, task);
            assert!(!is_cached(&proposed) && proposed.comment.contains(why), "{top}{task}: {proposed:?}");
        }
        let calls = "version: '3'\ntasks:\n  gen:\n    sources: [a]\n    cmds: [{task: other}]\n";
        std::fs::write(dir.path().join("Taskfile.yml"), calls).unwrap();
        assert!(!is_cached(&look(dir.path()).unwrap().unwrap().tasks[0]));
    }
}
