//! Stages of dvc.yaml. They say what they read and write, down to the keys of parameter files, so nothing is guessed.

use std::path::Path;

use super::write::task_name;
use super::{InitError, Part, Proposed, list, read, string};
use crate::syntax::data::{Data, Format};

const FILE: &str = "dvc.yaml";
const PARAMETERS: &str = "params.yaml";

pub(super) fn look(dir: &Path) -> Result<Option<Part>, InitError> {
    let Some(text) = read(dir, FILE) else { return Ok(None) };
    let parse = |file: &str, text: &str| {
        Format::Yaml.parse(text).map_err(|problem| InitError::Broken(format!("{file}: {problem}")))
    };
    let data = parse(FILE, &text)?;
    let values = read(dir, PARAMETERS).map(|text| parse(PARAMETERS, &text)).transpose()?.unwrap_or(Data::Null);
    let (mut tasks, mut notes) = (Vec::new(), Vec::new());
    for (name, stage) in data.get("stages").into_iter().flat_map(Data::entries) {
        match proposed(name, stage, &values) {
            Some(task) => tasks.push(task),
            None => notes.push(format!(
                "The stage `{name}` of {FILE} is left out: it has `foreach`, `matrix` or values that are not in \
                 {PARAMETERS}."
            )),
        }
    }
    let part = Part { found: FILE.to_owned(), prefix: "dvc", notes, tasks, ..Part::default() };
    Ok(Some(part).filter(|part| !part.tasks.is_empty()))
}

/// Returns the task of a stage; `None` if only DVC can tell what it means.
fn proposed(name: &str, stage: &Data, values: &Data) -> Option<Proposed> {
    let fill = |text: &str| filled(text, values);
    let command = match stage.get("cmd")? {
        Data::List(commands) => commands.iter().map(|one| fill(one.text()?)).collect::<Option<Vec<_>>>()?.join("\n"),
        one => fill(one.text()?)?,
    };
    let at = stage.get("wdir").and_then(Data::text).map(&fill);
    let dir = match at {
        Some(dir) => dir?.trim_end_matches('/').to_owned(),
        None => String::new(),
    };
    // Paths of a stage are relative to the directory that it runs in.
    let place = |path: String| if dir.is_empty() || dir == "." { path } else { format!("{dir}/{path}") };
    let mut inputs = Vec::new();
    for path in stage.get("deps").into_iter().flat_map(Data::items) {
        inputs.push(place(fill(named(path)?)?));
    }
    for parameter in stage.get("params").into_iter().flat_map(Data::items) {
        match parameter {
            Data::Text(key) => inputs.push(place(format!("{PARAMETERS}#{key}"))),
            // `FILE: [KEY, …]`, or `FILE:` for all of it.
            more => inputs.extend(more.entries().flat_map(|(file, keys)| match keys.items() {
                [] => vec![place(file.to_owned())],
                keys => keys.iter().filter_map(Data::text).map(|key| place(format!("{file}#{key}"))).collect(),
            })),
        }
    }
    let mut outputs = Vec::new();
    for path in ["outs", "metrics", "plots"].iter().filter_map(|key| stage.get(key)).flat_map(Data::items) {
        outputs.push(place(fill(named(path)?)?));
    }
    let mut keys: Vec<(&'static str, String)> = Vec::new();
    keys.extend(stage.get("desc").and_then(Data::text).map(|text| ("description", string(text))));
    keys.push(("command", string(command)));
    if !dir.is_empty() && dir != "." {
        keys.push(("cwd", string(&dir)));
    }
    keys.push(("inputs", list(&inputs)));
    if !outputs.is_empty() {
        keys.push(("outputs", list(&outputs)));
    }
    if stage.get("always_changed") == Some(&Data::Bool(true)) {
        keys.push(("cache", "false".to_owned()));
    }
    let frozen = stage.get("frozen") == Some(&Data::Bool(true));
    Some(Proposed { name: task_name(name), comment: String::new(), keys, default: !frozen })
}

/// Returns the path of an entry that is one, or has settings below it.
fn named(entry: &Data) -> Option<&str> {
    entry.text().or_else(|| entry.entries().next().map(|(path, _)| path))
}

/// Replaces `${key}` by values of the parameter file; `None` if one of them is not there.
fn filled(text: &str, values: &Data) -> Option<String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let (key, after) = after.split_once('}')?;
        filled.push_str(before);
        match values.at(&key.trim().split('.').collect::<Vec<_>>())? {
            Data::Text(text) | Data::Plain(text) => filled.push_str(text),
            Data::Bool(value) => filled.push_str(&value.to_string()),
            _ => return None,
        }
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_says_everything() {
        let dir = tempfile::tempdir().unwrap();
        let stages = "stages:\n  train:\n    cmd: python train.py ${train.lr}\n    wdir: ml\n    deps: [train.py, data]\n    \
                      params: [train.lr, {other.json: [a.b]}]\n    outs:\n      - model.bin:\n          cache: false\n    metrics: [m.json]\n  \
                      each:\n    foreach: [1, 2]\n    do:\n      cmd: x\n  unknown:\n    cmd: x ${no}\n";
        std::fs::write(dir.path().join(FILE), stages).unwrap();
        std::fs::write(dir.path().join(PARAMETERS), "train:\n  lr: 0.1\n").unwrap();
        let part = look(dir.path()).unwrap().unwrap();
        assert_eq!(part.notes.len(), 2, "{:?}", part.notes);
        let [task] = part.tasks.as_slice() else { panic!("{:?}", part.tasks) };
        let keys: Vec<String> = task.keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        assert_eq!(
            keys,
            [
                r#"command = "python train.py 0.1""#,
                r#"cwd = "ml""#,
                r#"inputs = ["ml/train.py", "ml/data", "ml/params.yaml#train.lr", "ml/other.json#a.b"]"#,
                r#"outputs = ["ml/model.bin", "ml/m.json"]"#
            ]
        );
    }
}
