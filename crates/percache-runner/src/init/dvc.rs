//! Stages of dvc.yaml. They say what they read and write, down to the keys of parameter files, so nothing is guessed.
//! What DVC itself fills in (`${key}`, `foreach`, `matrix`) is not translated: a value that was written down here would
//! stay when the parameter changes.

use std::path::Path;

use super::write::task_name;
use super::{InitError, Part, Proposed, list, parsed, read, string};
use crate::syntax::data::{Data, Format};

const FILE: &str = "dvc.yaml";
const PARAMETERS: &str = "params.yaml";

pub(super) fn look(dir: &Path) -> Result<Option<Part>, InitError> {
    let Some(text) = read(dir, FILE) else { return Ok(None) };
    let data = parsed(FILE, Format::Yaml, &text)?;
    let (mut tasks, mut notes) = (Vec::new(), Vec::new());
    for (name, stage) in data.get("stages").into_iter().flat_map(Data::entries) {
        match proposed(name, stage) {
            Ok(task) => tasks.push(task),
            Err(why) => notes.push(format!("The stage `{name}` of {FILE} is left out: {why}.")),
        }
    }
    if tasks.is_empty() && notes.is_empty() {
        return Ok(None);
    }
    Ok(Some(Part { found: FILE.to_owned(), prefix: "dvc", notes, tasks, ..Part::default() }))
}

/// Returns the task of a stage.
///
/// # Errors
/// Returns why only DVC can tell what the stage means.
fn proposed(name: &str, stage: &Data) -> Result<Proposed, String> {
    if let Some(key) = ["foreach", "matrix"].into_iter().find(|key| stage.get(key).is_some()) {
        return Err(format!("it has `{key}`, and stands for several stages"));
    }
    if task_name(name).is_empty() {
        return Err("no task can have this name".to_owned());
    }
    let command = match stage.get("cmd") {
        Some(Data::List(commands)) => commands.iter().map(written).collect::<Result<Vec<_>, _>>()?.join("\n"),
        Some(one) => written(one)?,
        None => return Err("it has no `cmd`".to_owned()),
    };
    let dir = stage.get("wdir").map(written).transpose()?.unwrap_or_default();
    let dir = dir.trim_end_matches('/');
    // Paths of a stage are relative to the directory that it runs in.
    let place = |path: &str| if dir.is_empty() || dir == "." { path.to_owned() } else { format!("{dir}/{path}") };
    let inputs = inputs(stage, &place)?;
    let mut outputs = Vec::new();
    for path in ["outs", "metrics", "plots"].iter().filter_map(|key| stage.get(key)).flat_map(Data::items) {
        outputs.push(place(&local(path)?));
    }
    let mut keys: Vec<(&'static str, String)> = Vec::new();
    keys.extend(stage.get("desc").and_then(Data::text).map(|text| ("description", string(text))));
    keys.push(("command", string(command)));
    if !dir.is_empty() && dir != "." {
        keys.push(("cwd", string(dir)));
    }
    keys.push(("inputs", list(&inputs)));
    if !outputs.is_empty() {
        keys.push(("outputs", list(&outputs)));
    }
    if stage.get("always_changed") == Some(&Data::Bool(true)) {
        keys.push(("cache", "false".to_owned()));
    }
    let frozen = stage.get("frozen") == Some(&Data::Bool(true));
    Ok(Proposed { name: task_name(name), comment: String::new(), keys, default: !frozen })
}

/// Returns the files that a stage reads, and the keys of parameter files.
fn inputs(stage: &Data, place: &impl Fn(&str) -> String) -> Result<Vec<String>, String> {
    let mut inputs = Vec::new();
    for path in stage.get("deps").into_iter().flat_map(Data::items) {
        inputs.push(place(&local(path)?));
    }
    for parameter in stage.get("params").into_iter().flat_map(Data::items) {
        if parameter.text().is_some() {
            inputs.push(place(&format!("{PARAMETERS}#{}", written(parameter)?)));
            continue;
        }
        // `FILE: [KEY, …]`, or `FILE:` for all of it.
        for (file, keys) in parameter.entries() {
            let file = unfilled(file)?;
            if keys.items().is_empty() {
                inputs.push(place(&file));
            }
            for key in keys.items() {
                inputs.push(place(&format!("{file}#{}", written(key)?)));
            }
        }
    }
    Ok(inputs)
}

/// Returns the path of an entry that is one, or has settings below it.
fn local(entry: &Data) -> Result<String, String> {
    let path = entry.text().or_else(|| entry.entries().next().map(|(path, _)| path));
    let path = unfilled(path.ok_or("it has an entry that is no path")?)?;
    match path.contains("://") {
        true => Err(format!("`{path}` is no file here")),
        false => Ok(path),
    }
}

fn written(data: &Data) -> Result<String, String> {
    unfilled(data.text().ok_or("it has an entry that is no text")?)
}

/// Returns a text in which DVC fills in nothing. It writes `\${` for `${`.
fn unfilled(text: &str) -> Result<String, String> {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let Some(before) = before.strip_suffix('\\') else {
            let (key, _) = after.split_once('}').unwrap_or((after, ""));
            return Err(format!(
                "DVC fills in `${{{key}}}`, and percache does not. Let the command read {PARAMETERS} itself, and name the \
                 key in `inputs`: `{PARAMETERS}#{key}`"
            ));
        };
        plain.push_str(before);
        plain.push_str("${");
        rest = after;
    }
    plain.push_str(rest);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_says_everything() {
        let dir = tempfile::tempdir().unwrap();
        let stages = "stages:\n  train:\n    cmd: python train.py \\${HOME}\n    wdir: ml\n    deps: [train.py, data]\n    \
                      params: [train.lr, {other.json: [a.b]}]\n    outs:\n      - model.bin:\n          cache: false\n    metrics: [m.json]\n  \
                      each:\n    foreach: [1, 2]\n    do:\n      cmd: x\n  grid:\n    matrix: {a: [1]}\n    cmd: x\n  \
                      filled:\n    cmd: x ${train.lr}\n  far:\n    cmd: x\n    deps: [s3://x/y]\n  place:\n    cmd: x\n    wdir: ${dir}\n  \
                      key:\n    cmd: x\n    params: ['${k}']\n";
        std::fs::write(dir.path().join(FILE), stages).unwrap();
        std::fs::write(dir.path().join(PARAMETERS), "train:\n  lr: 0.1\n").unwrap();
        let part = look(dir.path()).unwrap().unwrap();
        assert_eq!(part.notes.len(), 6, "{:?}", part.notes);
        let [task] = part.tasks.as_slice() else { panic!("{:?}", part.tasks) };
        let keys: Vec<String> = task.keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        assert_eq!(
            keys,
            [
                r#"command = "python train.py ${HOME}""#,
                r#"cwd = "ml""#,
                r#"inputs = ["ml/train.py", "ml/data", "ml/params.yaml#train.lr", "ml/other.json#a.b"]"#,
                r#"outputs = ["ml/model.bin", "ml/m.json"]"#
            ]
        );
    }
}
