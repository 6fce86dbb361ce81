//! `percache compdb`: the compilation database of the tasks that compile C, C++ and the like, for clangd and other tools.
//! Its format is that of Clang: <https://clang.llvm.org/docs/JSONCompilationDatabase.html>.

mod compile;

use std::path::Path;

use percache_runner::tasks::{Task, TaskCommand};
use serde_json::{Value, json};

use crate::args::{Cli, Compdb};
use crate::commands::gc::count;
use crate::error::{CliError, SUCCESS};
use crate::setup::load;
use crate::terminal::style::{Paint, Style};
use compile::{Compile, Unclear};

/// Prints the compilation database.
pub fn run(cli: &Cli, args: &Compdb) -> Result<u8, CliError> {
    let paint = Paint::stderr(cli.color);
    let project = load(cli, &[])?;
    let workspace = &project.workspace;
    let selected = if args.tasks.is_empty() { workspace.ids().collect() } else { project.select(&args.tasks)? };
    let (mut entries, mut unclear) = (Vec::new(), Vec::new());
    for task in selected.into_iter().map(|id| workspace.task(id)) {
        match compiles(task) {
            Ok(compiles) => entries.extend(compiles.iter().map(|compile| entry(&workspace.root, task, compile))),
            Err(Unclear) => unclear.push(task.name.as_str()),
        }
    }
    crate::say!("{:#}", Value::Array(entries));
    if let Some(first) = unclear.first() {
        let tasks = count(unclear.len() as u64, "task");
        let message =
            format!("left out {tasks}, `{first}` for example: a shell has to expand the command of a compiler");
        crate::aside!("{} {message}", paint.apply(Style::Warning, "warning:"));
        crate::aside!(
            "{} write the command as an array, or with `foreach` and {{file}}",
            paint.apply(Style::Hint, "hint:")
        );
    }
    Ok(SUCCESS)
}

fn compiles(task: &Task) -> Result<Vec<Compile>, Unclear> {
    match &task.command {
        None => Ok(Vec::new()),
        Some(TaskCommand::Argv(words)) => compile::of_words(words),
        Some(TaskCommand::Shell(text)) => compile::of_shell(text),
    }
}

fn entry(root: &Path, task: &Task, compile: &Compile) -> Value {
    let mut entry = json!({
        "directory": task.cwd.to_path(root),
        "file": compile.source,
        "arguments": compile.arguments,
    });
    if let Some(output) = &compile.output {
        entry["output"] = json!(output);
    }
    entry
}
