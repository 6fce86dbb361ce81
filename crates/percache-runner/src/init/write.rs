//! The text of a proposal.

use std::collections::{BTreeMap, BTreeSet};

use super::{Keys, Part, Proposed};

const HEAD: &str = "\
# What percache builds here. `percache build` runs what changed and restores the rest; `percache list` shows the tasks.
# A task is a command with what it reads (inputs) and what it writes (outputs). Without `inputs`, every file that git would not
# ignore is one.
# A pipe succeeds when its last command does, and a success is stored. `shell = [\"bash\", \"-euo\", \"pipefail\", \"-c\"]`
# below [workspace] makes a failure anywhere in a pipe a failure of the task.
";

const NOTHING_FOUND: &str = r#"
# Nothing was found here that suggests a task. This one shows the form: it works as it stands.
[task.words]
description = "Count the words of all texts"
command = "cat *.txt *.md 2>/dev/null | wc -w > words.count"
inputs = ["*.txt", "*.md"]
outputs = ["words.count"]
"#;

/// Returns the text of the root's file. `members` are the parts of member directories; what several of them have in
/// common is replaced in them by a template.
pub(super) fn root_text(parts: &[Part], members: &mut [(String, Part)]) -> String {
    let mut text = HEAD.to_owned();
    for line in parts.iter().flat_map(|part| &part.notes) {
        text.push_str(&format!("# {line}\n"));
    }
    let settings: Vec<_> = parts.iter().flat_map(|part| &part.settings).collect();
    let default = default_tasks(parts, members);
    let has_tasks = parts.iter().chain(members.iter().map(|(_, part)| part)).any(|part| !part.tasks.is_empty());
    if !settings.is_empty() || has_tasks {
        text.push_str("\n[workspace]\n");
    }
    for (comment, key, value) in settings {
        text.push_str(&format!("# {comment}\n{key} = {value}\n"));
    }
    if has_tasks {
        // Without this key it would build everything, `clean` and `deploy` as well.
        let comment = if default.is_empty() { "builds: nothing, name what you want" } else { "builds" };
        text.push_str(&format!("# What a bare `percache build` {comment}.\ndefault = {}\n", list(&default)));
    }
    let templates = factored(members);
    if !templates.is_empty() {
        text.push_str(
            "\n# What the same task of several packages has in common. A package takes it over with `extends`.\n",
        );
    }
    for template in templates {
        text.push_str(&table("template", &template.name, &template));
    }
    text.push_str(&if parts.is_empty() { NOTHING_FOUND.to_owned() } else { tasks_text(parts) });
    text
}

fn default_tasks(parts: &[Part], members: &[(String, Part)]) -> Vec<String> {
    let own = named(parts).into_iter().filter(|(_, task)| task.default).map(|(name, _)| name);
    let of_members: BTreeSet<&str> = members
        .iter()
        .flat_map(|(_, part)| &part.tasks)
        .filter(|task| task.default)
        .map(|task| task.name.as_str())
        .collect();
    // `*:build` is the task `build` of every member.
    own.chain(of_members.into_iter().map(|name| format!("*:{name}"))).collect()
}

/// Makes a template of what several members state in the same words, and lets them extend it.
fn factored(members: &mut [(String, Part)]) -> Vec<Proposed> {
    let mut same: BTreeMap<&str, Vec<(&Keys, usize)>> = BTreeMap::new();
    for task in members.iter().flat_map(|(_, part)| &part.tasks) {
        let ways = same.entry(&task.name).or_default();
        match ways.iter_mut().find(|(keys, _)| **keys == task.keys) {
            Some((_, count)) => *count += 1,
            None => ways.push((&task.keys, 1)),
        }
    }
    let mut templates: Vec<Proposed> = Vec::new();
    for (name, mut ways) in same {
        ways.retain(|(keys, count)| *count > 1 && keys.len() > 1);
        ways.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (number, (keys, _)) in (1..).zip(ways) {
            let name = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            templates.push(Proposed { name, keys: keys.clone(), ..Proposed::default() });
        }
    }
    for task in members.iter_mut().flat_map(|(_, part)| &mut part.tasks) {
        let is_way = |name: &str| name == task.name || name.strip_prefix(&format!("{}-", task.name)).is_some();
        let template = templates.iter_mut().find(|other| other.keys == task.keys && is_way(&other.name));
        if let Some(template) = template {
            template.comment = std::mem::take(&mut task.comment);
            task.keys = vec![("extends", list(&[&template.name]))];
        }
    }
    templates
}

/// Returns the tasks of all parts under unique names.
pub(super) fn named(parts: &[Part]) -> Vec<(String, &Proposed)> {
    let mut taken = BTreeSet::new();
    let mut named = Vec::new();
    for part in parts {
        for task in &part.tasks {
            let name =
                if taken.contains(&task.name) { format!("{}-{}", part.prefix, task.name) } else { task.name.clone() };
            if taken.insert(name.clone()) {
                named.push((name, task));
            }
        }
    }
    named
}

/// Returns the text of a member's file.
pub(super) fn member_text(part: &Part) -> String {
    let notes: String = part.notes.iter().map(|note| format!("# {note}\n")).collect();
    let tasks = tasks_text(std::slice::from_ref(part));
    if notes.is_empty() { tasks.trim_start().to_owned() } else { format!("{notes}{tasks}") }
}

fn tasks_text(parts: &[Part]) -> String {
    named(parts).into_iter().map(|(name, task)| table("task", &name, task)).collect()
}

fn table(kind: &str, name: &str, task: &Proposed) -> String {
    let mut text = "\n".to_owned();
    task.comment.lines().for_each(|line| text.push_str(&format!("# {line}\n")));
    text.push_str(&format!("[{kind}.{}]\n", key(name)));
    task.keys.iter().for_each(|(key, value)| text.push_str(&format!("{key} = {value}\n")));
    text
}

/// Returns a TOML key, quoted where necessary.
pub(super) fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { string(name) }
}

/// Returns a TOML string.
pub(super) fn string(text: impl AsRef<str>) -> String {
    toml::Value::String(text.as_ref().to_owned()).to_string()
}

/// Returns a TOML array of strings.
pub(super) fn list<S: AsRef<str>>(texts: &[S]) -> String {
    format!("[{}]", texts.iter().map(string).collect::<Vec<_>>().join(", "))
}

/// Returns a name for a task: what other tools allow in names, a colon or blanks, means something in names of tasks.
pub(super) fn task_name(name: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || "_-./+@".contains(c);
    let name: String = name.chars().map(|c| if fits(c) { c } else { '-' }).collect();
    name.trim_start_matches('-').to_owned()
}
