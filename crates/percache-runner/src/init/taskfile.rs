//! Tasks of a Taskfile (go-task). One with `sources` says what it reads, and with `generates` what it writes: then it
//! is cached.

use std::path::Path;

use super::nature::{Nature, endless, nature};
use super::write::task_name;
use super::{InitError, Part, Proposed, list, read, string};
use crate::syntax::data::{Data, Format};

pub(super) fn look(dir: &Path) -> Result<Option<Part>, InitError> {
    let names = ["Taskfile.yml", "Taskfile.yaml", "taskfile.yml", "taskfile.yaml"];
    let Some((file, text)) = names.iter().find_map(|name| Some((*name, read(dir, name)?))) else { return Ok(None) };
    let data = Format::Yaml.parse(&text).map_err(|problem| InitError::Broken(format!("{file}: {problem}")))?;
    let tasks = data.get("tasks").into_iter().flat_map(Data::entries);
    let tasks: Vec<Proposed> = tasks.filter(|(name, task)| is_called(name, task)).map(proposed).collect();
    let part = Part { found: "a Taskfile".to_owned(), prefix: "task", tasks, ..Part::default() };
    Ok(Some(part).filter(|part| !part.tasks.is_empty()))
}

/// Returns whether people call a task by its name.
fn is_called(name: &str, task: &Data) -> bool {
    !name.contains('*') && task.get("internal") != Some(&Data::Bool(true)) && task.get("requires").is_none()
}

fn proposed((name, task): (&str, &Data)) -> Proposed {
    let kind = nature(name);
    let texts = |key: &str| -> Vec<String> {
        let texts = task.get(key).into_iter().flat_map(Data::items);
        // `exclude: PATTERN` takes away.
        let pattern = |item: &Data| match item.get("exclude").and_then(Data::text) {
            Some(excluded) => Some(format!("!{excluded}")),
            None => item.text().map(str::to_owned),
        };
        texts.filter_map(pattern).collect()
    };
    let (sources, generates) = (texts("sources"), texts("generates"));
    // Values that only go-task knows.
    let is_known = |texts: &[String]| !texts.is_empty() && !texts.iter().any(|text| text.contains("{{"));
    let cached = is_known(&sources) && (generates.is_empty() || is_known(&generates)) && task.get("dir").is_none();
    let description = task.get("desc").and_then(Data::text);
    let mut keys: Vec<(&'static str, String)> = description.iter().map(|text| ("description", string(text))).collect();
    keys.push(("command", list(&["task", name])));
    let mut comment = "";
    match kind {
        Nature::Interactive | Nature::Server => keys.push(endless(kind)),
        _ if cached => {
            keys.push(("inputs", list(&sources)));
            if !generates.is_empty() {
                keys.push(("outputs", list(&generates)));
            }
        }
        _ => {
            comment = "Always runs. State `inputs` and `outputs` and take `cache` away to have it cached.";
            keys.push(("cache", "false".to_owned()));
        }
    }
    let default = name == "default" || matches!(kind, Nature::Build | Nature::Check);
    Proposed { name: task_name(name), comment: comment.to_owned(), keys, default }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_generates_are_inputs_and_outputs() {
        let text = "version: '3'\nvars:\n  a: b\ntasks:\n  default:\n    cmds: [x]\n  'db:reset':\n    desc: y\n  short: echo\n  \
                    gen:\n    sources: [a.txt, exclude: b.txt]\n    generates: [out]\n  hidden:\n    internal: true\n";
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("Taskfile.yml"), text).unwrap();
        let part = look(dir.path()).unwrap().unwrap();
        let names: Vec<&str> = part.tasks.iter().map(|task| task.name.as_str()).collect();
        assert_eq!(names, ["db-reset", "default", "gen", "short"]);
        let keys: Vec<String> = part.tasks[2].keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        assert_eq!(keys, [r#"command = ["task", "gen"]"#, r#"inputs = ["a.txt", "!b.txt"]"#, r#"outputs = ["out"]"#]);
    }
}
