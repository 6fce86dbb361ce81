//! Tasks of a Taskfile. Reads no more of its YAML than the names: the keys one level below `tasks:`.

use std::path::Path;

use super::{Nature, Part, Proposed, nature, read, string};

pub(super) fn look(dir: &Path) -> Option<Part> {
    let text = ["Taskfile.yml", "Taskfile.yaml", "taskfile.yml"].iter().find_map(|name| read(dir, name))?;
    let tasks: Vec<Proposed> = names(&text)
        .into_iter()
        .map(|name| {
            let kind = nature(&name);
            let flag = if kind == Nature::Interactive { "interactive" } else { "cache" };
            Proposed {
                keys: vec![("command", string(format!("task {name}"))), (flag, (flag == "interactive").to_string())],
                comment: "Always runs. State `inputs` and `outputs` and take `cache` away to have it cached."
                    .to_owned(),
                default: name == "default" || matches!(kind, Nature::Build | Nature::Check),
                // A task of percache cannot have a colon in its own name.
                name: name.replace(':', "-"),
            }
        })
        .collect();
    (!tasks.is_empty()).then(|| Part { found: "a Taskfile".to_owned(), prefix: "task", members: Vec::new(), tasks })
}

fn names(text: &str) -> Vec<String> {
    let below = text.lines().skip_while(|line| line.trim_end() != "tasks:").skip(1);
    let below: Vec<&str> = below.take_while(|line| line.is_empty() || line.starts_with([' ', '\t', '#'])).collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_key = |line: &&&str| !line.trim().is_empty() && !line.trim().starts_with('#');
    let Some(level) = below.iter().find(is_key).map(|line| indent(line)) else { return Vec::new() };
    let keys = below.iter().filter(is_key).filter(|line| indent(line) == level);
    let name = |line: &&str| {
        let line = line.trim();
        let name = line.split_once(": ").map(|(name, _)| name).or_else(|| line.strip_suffix(':'))?;
        Some(name.trim_matches(['\'', '"']).to_owned())
    };
    let plain =
        |name: &String| !name.contains('*') && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-:.".contains(c));
    keys.filter_map(name).filter(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_keys_one_level_below_tasks() {
        let text = "version: '3'\nvars:\n  a: b\ntasks:\n  # comment\n  default:\n    cmds: [x]\n\n  'db:reset':\n    desc: y\n  short: echo\n\nincludes:\n  x: y\n";
        assert_eq!(names(text), ["default", "db:reset", "short"]);
    }
}
