//! The output formats of a graph: a tree, Graphviz, Mermaid, JSON. Knows nothing of how its part was selected.

use std::collections::HashSet;
use std::fmt::Write;

use percache_runner::tasks::TaskId;
use serde_json::json;

use super::{NamedFile, Picture};

/// Draws a tree of dependencies, or of dependents.
pub fn tree(picture: &Picture<'_>) -> String {
    let mut text = String::new();
    let mut shown = HashSet::new();
    for file in &picture.files {
        let maker = file.made_by.map(|id| format!(", an output of {}", picture.name(id))).unwrap_or_default();
        let nobody = if file.needed_by.is_empty() { ": no task reads it" } else { "" };
        let _ = writeln!(text, "{}{maker}{nobody}", file.path);
        branches(picture, file.needed_by.clone(), String::new(), &mut shown, &mut text);
    }
    for root in &picture.roots {
        let again = !shown.insert(*root) && below(picture, *root).next().is_some();
        let _ = writeln!(text, "{}{}", picture.name(*root), above(again));
        if !again {
            branches(picture, below(picture, *root).collect(), String::new(), &mut shown, &mut text);
        }
    }
    text
}

fn below<'a>(picture: &'a Picture<'_>, id: TaskId) -> Box<dyn DoubleEndedIterator<Item = TaskId> + 'a> {
    if picture.upwards { Box::new(picture.needed_by(id)) } else { Box::new(picture.needs(id)) }
}

fn above(again: bool) -> &'static str {
    if again { " (above)" } else { "" }
}

/// Goes depth first without recursion, because a chain of tasks may be longer than the stack allows.
fn branches(picture: &Picture<'_>, tasks: Vec<TaskId>, indent: String, shown: &mut HashSet<TaskId>, text: &mut String) {
    let mut pending: Vec<(TaskId, String, bool)> = Vec::new();
    let push = |pending: &mut Vec<_>, tasks: Vec<TaskId>, indent: &str| {
        for (position, id) in tasks.iter().enumerate().rev() {
            pending.push((*id, indent.to_owned(), position + 1 == tasks.len()));
        }
    };
    push(&mut pending, tasks, &indent);
    while let Some((id, indent, last)) = pending.pop() {
        let again = !shown.insert(id) && below(picture, id).next().is_some();
        let (branch, further) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
        let _ = writeln!(text, "{indent}{branch}{}{}", picture.name(id), above(again));
        if !again {
            push(&mut pending, below(picture, id).collect(), &format!("{indent}{further}"));
        }
    }
}

/// Writes the graph for Graphviz.
pub fn dot(picture: &Picture<'_>) -> String {
    let mut text = "digraph percache {\n  rankdir = LR;\n  node [shape = box];\n".to_owned();
    for (position, file) in picture.files.iter().enumerate() {
        // No task's name begins with a space.
        let node = format!("\" file{position}\"");
        let _ = writeln!(text, "  {node} [label = {}, shape = note];", quoted(&file.path.to_string()));
        for id in &file.needed_by {
            let _ = writeln!(text, "  {node} -> {};", quoted(picture.name(*id)));
        }
    }
    for id in &picture.shown {
        let name = quoted(picture.name(*id));
        let _ = writeln!(text, "  {name};");
        for need in picture.needs(*id) {
            let _ = writeln!(text, "  {} -> {name};", quoted(picture.name(need)));
        }
    }
    text + "}\n"
}

/// Quotes a name for Graphviz, which has its own escapes and HTML entities.
fn quoted(name: &str) -> String {
    let escapes = [('\\', "\\\\"), ('"', "\\\""), ('\n', "\\n"), ('&', "&amp;")];
    let escaped = escapes.iter().fold(name.to_owned(), |name, (c, escape)| name.replace(*c, escape));
    format!("\"{escaped}\"")
}

/// Writes the graph for Mermaid.
pub fn mermaid(picture: &Picture<'_>) -> String {
    let mut text = "graph LR\n".to_owned();
    for (position, file) in picture.files.iter().enumerate() {
        let _ = writeln!(text, "  f{position}([\"{}\"])", mermaid_label(&file.path.to_string()));
        for id in &file.needed_by {
            let _ = writeln!(text, "  f{position} --> t{}", id.index());
        }
    }
    for id in &picture.shown {
        let _ = writeln!(text, "  t{}[\"{}\"]", id.index(), mermaid_label(picture.name(*id)));
        for need in picture.needs(*id) {
            let _ = writeln!(text, "  t{} --> t{}", need.index(), id.index());
        }
    }
    text
}

/// Escapes special characters for Mermaid by their number: `#34;` is a quotation mark.
fn mermaid_label(name: &str) -> String {
    name.chars().fold(String::new(), |mut label, c| {
        if "#\"&<>`\\\n".contains(c) {
            let _ = write!(label, "#{};", c as u32);
        } else {
            label.push(c);
        }
        label
    })
}

/// Writes the graph as JSON.
pub fn json(picture: &Picture<'_>) -> String {
    let names = |ids: &mut dyn Iterator<Item = TaskId>| ids.map(|id| picture.name(id).to_owned()).collect::<Vec<_>>();
    let task = |id: &TaskId| {
        let task = picture.project.workspace.task(*id);
        json!({
            "name": task.name,
            "group": task.command.is_none(),
            "needs": names(&mut picture.needs(*id)),
            "inferred": names(&mut task.inferred.iter().copied().filter(|id| picture.shows(id))),
        })
    };
    let file = |file: &NamedFile| {
        json!({
            "path": file.path.to_text(),
            "made_by": file.made_by.map(|id| picture.name(id)),
            "needed_by": names(&mut file.needed_by.iter().copied()),
        })
    };
    let tasks: Vec<_> = picture.shown.iter().map(task).collect();
    let mut graph = json!({ "tasks": tasks });
    if picture.upwards {
        graph["files"] = picture.files.iter().map(file).collect();
    }
    format!("{graph:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_of_mermaid_has_no_character_that_means_something() {
        assert_eq!(mermaid_label("t[a \"b\" #1.c]"), "t[a #34;b#34; #35;1.c]");
    }
}
