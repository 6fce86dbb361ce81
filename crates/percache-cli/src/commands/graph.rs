//! `percache graph`.

use std::collections::HashSet;
use std::fmt::Write;

use percache_runner::model::TaskId;
use serde_json::json;

use crate::args::{Cli, Graph, GraphFormat};
use crate::error::{CliError, SUCCESS};
use crate::setup::Setup;
use crate::style::Paint;

/// Shows which task needs which.
pub fn run(cli: &Cli, args: &Graph) -> Result<u8, CliError> {
    let setup = Setup::load(cli.directory.as_deref(), &[], Paint::stderr(cli.color))?;
    let roots = if args.tasks.is_empty() { tops(&setup) } else { setup.select(&args.tasks)? };
    let shown = setup.graph.closure(&roots);
    let text = match args.format {
        GraphFormat::Text => tree(&setup, &roots),
        GraphFormat::Dot => dot(&setup, &shown),
        GraphFormat::Mermaid => mermaid(&setup, &shown),
        GraphFormat::Json => json(&setup, &shown),
    };
    crate::say!("{}", text.trim_end());
    Ok(SUCCESS)
}

/// The tasks that nothing needs.
fn tops(setup: &Setup) -> Vec<TaskId> {
    setup.workspace.ids().filter(|id| setup.graph.needed_by[id.index()].is_empty()).collect()
}

fn name(setup: &Setup, id: TaskId) -> &str {
    &setup.workspace.task(id).name
}

fn tree(setup: &Setup, roots: &[TaskId]) -> String {
    let mut text = String::new();
    let mut shown = HashSet::new();
    // Depth first without recursion: a chain of tasks may be longer than the stack.
    let mut pending: Vec<(TaskId, String, &str, &str)> =
        roots.iter().rev().map(|id| (*id, String::new(), "", "")).collect();
    while let Some((id, indent, branch, below)) = pending.pop() {
        let needs = &setup.graph.needs[id.index()];
        let again = !shown.insert(id) && !needs.is_empty();
        let _ = writeln!(text, "{indent}{branch}{}{}", name(setup, id), if again { " (above)" } else { "" });
        if again {
            continue;
        }
        let indent = format!("{indent}{below}");
        for (position, need) in needs.iter().enumerate().rev() {
            let last = position + 1 == needs.len();
            let (branch, below) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
            pending.push((*need, indent.clone(), branch, below));
        }
    }
    text
}

fn dot(setup: &Setup, shown: &[TaskId]) -> String {
    let quoted = |id: TaskId| format!("\"{}\"", name(setup, id).replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = "digraph percache {\n  rankdir = LR;\n  node [shape = box];\n".to_owned();
    for id in shown {
        let _ = writeln!(text, "  {};", quoted(*id));
        for need in &setup.graph.needs[id.index()] {
            let _ = writeln!(text, "  {} -> {};", quoted(*need), quoted(*id));
        }
    }
    text + "}\n"
}

fn mermaid(setup: &Setup, shown: &[TaskId]) -> String {
    let mut text = "graph LR\n".to_owned();
    for id in shown {
        let label = name(setup, *id).replace('&', "&amp;").replace('"', "&quot;");
        let _ = writeln!(text, "  t{}[\"{label}\"]", id.index());
        for need in &setup.graph.needs[id.index()] {
            let _ = writeln!(text, "  t{} --> t{}", need.index(), id.index());
        }
    }
    text
}

fn json(setup: &Setup, shown: &[TaskId]) -> String {
    let tasks = shown.iter().map(|id| {
        let names = |ids: &[TaskId]| ids.iter().map(|id| name(setup, *id).to_owned()).collect::<Vec<_>>();
        let task = setup.workspace.task(*id);
        json!({
            "name": task.name,
            "group": task.command.is_none(),
            "needs": names(&setup.graph.needs[id.index()]),
            "inferred": names(&task.inferred),
        })
    });
    format!("{:#}\n", json!({ "tasks": tasks.collect::<Vec<_>>() }))
}
