//! Python: tests and linters.

use std::path::Path;

use super::ignored::inputs_without;
use super::{Part, Proposed, list, read, string};

/// Directories that are never sources, whatever git ignores. Linters hide their caches from git themselves.
const WITHOUT: [&str; 4] = ["__pycache__", ".venv", "venv", "dist"];

/// Returns the key `inputs` if the default would include what is not a source.
fn inputs(dir: &Path) -> Option<(&'static str, String)> {
    // Bytecode appears by itself; the others count only if they are there.
    let there = |name: &&&str| **name == "__pycache__" || dir.join(name).exists();
    inputs_without(dir, &WITHOUT.iter().filter(there).copied().collect::<Vec<_>>())
}

pub(super) fn look(dir: &Path) -> Option<Part> {
    let stated = [
        "pyproject.toml",
        "setup.cfg",
        "setup.py",
        "requirements.txt",
        "requirements-dev.txt",
        "tox.ini",
        "pytest.ini",
    ];
    let texts: Vec<String> = stated.iter().filter_map(|name| read(dir, name)).collect();
    if texts.is_empty() {
        return None;
    }
    let mentions = |word: &str| texts.iter().any(|text| text.contains(word));
    let inputs = inputs(dir);
    let task = |name: &str, comment: &str, command: &str| Proposed {
        name: name.to_owned(),
        comment: comment.to_owned(),
        keys: std::iter::once(("command", string(command)))
            .chain(inputs.clone())
            .chain([
                ("tools", list(&["python3 --version"])),
                ("env", "{ PYTHONDONTWRITEBYTECODE = \"1\" }".to_owned()),
                ("env_pass", list(&["VIRTUAL_ENV"])),
            ])
            .collect(),
        default: true,
    };
    let mut tasks = Vec::new();
    let tests = ["tests", "test"].into_iter().find(|place| dir.join(place).is_dir());
    if mentions("pytest") {
        tasks.push(task("test", "Runs when a file of the project changed, and not otherwise.", "python3 -m pytest"));
    } else if let Some(place) = tests {
        let command = format!("python3 -m unittest discover -s {place} -t .");
        tasks.push(task("test", "Runs when a file of the project changed, and not otherwise.", &command));
    }
    if mentions("ruff") {
        tasks.push(task("lint", "", "python3 -m ruff check ."));
    }
    if mentions("mypy") {
        tasks.push(task("types", "", "python3 -m mypy ."));
    }
    if tasks.is_empty() {
        tasks.push(task("compile", "Whether all files are Python at all.", "python3 -c 'import ast, pathlib\nfor p in pathlib.Path().rglob(\"*.py\"): ast.parse(p.read_bytes(), str(p))'"));
    }
    Some(Part { found: "a Python project".to_owned(), prefix: "python", tasks, ..Part::default() })
}
