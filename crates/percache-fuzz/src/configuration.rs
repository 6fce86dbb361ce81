//! Configurations: any text is a workspace that a build can rely on, or a list of mistakes whose places lie in it.

use std::cell::LazyCell;
use std::fs;

use percache_runner::configuration::Diagnostics;
use percache_runner::internals::{Request, load};
use percache_runner::tasks::{TaskGraph, Workspace};
use tempfile::TempDir;

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "configuration",
    run,
    seeds,
    words: &[
        "\"",
        "'",
        "\"\"\"",
        "[",
        "]",
        "{",
        "}",
        "[[",
        "=",
        ".",
        ",",
        "\n",
        "!",
        "**",
        "..",
        "/",
        ":",
        "\\u0000",
        "\\u001b",
        "-1",
        "1e9",
        "true",
        "{file}",
        "{stem}",
        "{args}",
        "{fiel}",
        "[task.x]\n",
        "[task.y]\n",
        "[workspace]\n",
        "[cache]\n",
        "[pools]\n",
        "command = \"\"\n",
        "inputs = [\"**\"]\n",
        "outputs = [\"o\"]\n",
        "deps = [\"*\"]\n",
        "foreach = \"**\"\n",
        "matrix = { a = [\"1\", \"2\"] }\n",
        "members = [\"pkgs/*\"]\n",
        "depfile = \"d\"\n",
        "timeout = \"1s\"\n",
        "\n%\n",
        "99999999999999999999d",
        "env_file = [\".env\"]\n",
        "pool = \"p\"\n",
        "default = [\"x\"]\n",
    ],
    allocates: None,
};

thread_local! {
    static SITE: LazyCell<TempDir> = LazyCell::new(|| {
        let site = tempfile::tempdir().expect("a temporary directory");
        for path in ["src/a.c", "src/b c.c", "src/x/[d].c", "pkgs/app/none", "pkgs/lib/percache.toml"] {
            let path = site.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory above")).expect("a directory");
            fs::write(path, "").expect("a file");
        }
        site
    });
}

/// The root file, and behind a line with `%` that of a member.
fn run(data: &[u8]) {
    const BETWEEN: &[u8] = b"\n%\n";
    let between = data.windows(BETWEEN.len()).position(|window| window == BETWEEN);
    let (root, member) = between.map_or((data, &[][..]), |at| (&data[..at + 1], &data[at + BETWEEN.len()..]));
    let loaded = SITE.with(|site| {
        let site = site.path();
        fs::write(site.join("percache.toml"), root).expect("a file");
        fs::write(site.join("pkgs/lib/percache.toml"), member).expect("a file");
        let args = vec!["-x".to_owned(), "a b".to_owned()];
        load(site, &Request { args, ..Request::default() })
    });
    match loaded {
        Ok(workspace) => can_be_built(&workspace),
        Err(mistakes) => can_be_shown(&mistakes),
    }
}

fn can_be_built(workspace: &Workspace) {
    let graph = TaskGraph::new(workspace);
    assert_eq!(graph.order.len(), workspace.tasks.len());
    assert!(workspace.tasks.is_sorted_by(|a, b| a.name < b.name), "names are sorted and there once");
    let count = workspace.tasks.len();
    for task in &workspace.tasks {
        assert!(task.deps.iter().chain(&task.inferred).all(|id| id.index() < count));
        assert!(task.uses.iter().all(|of| (of.pool.0 as usize) < workspace.pools.len()));
        assert!(!task.name.chars().any(char::is_control), "{:?}", task.name);
    }
    assert!(workspace.default.iter().all(|id| id.index() < count));
}

fn can_be_shown(mistakes: &Diagnostics) {
    assert!(!mistakes.errors.is_empty());
    for error in &mistakes.errors {
        assert!(!error.title.contains('\n'), "{:?}", error.title);
        for label in &error.labels {
            let source = mistakes.sources.iter().find(|(path, _)| *path == label.file);
            assert!(source.is_some_and(|(_, text)| text.get(label.span.clone()).is_some()), "{label:?}");
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    const EVERY_KEY: &str = include_str!("../../../percache.toml.example");
    const MEMBERS: &str = r#"
workspace = { members = ["pkgs/*", "!pkgs/app"], default = ["pkgs/lib:*"], env = { LANG = "C" } }
cache = { dir = ".percache", maxage = "30d", maxsize = "20GiB", check_rate = 0.5 }
pools.heavy = 1
[task.a]
command = ["cc", "{args}"]
outputs = ["build/", "!build/x"]
[task.b]
foreach = "src/**/*.c"
command = "cc {file} -o o/{stem}.o"
inputs = ["{file}", "build/a"]
outputs = ["o/{dir}/{stem}.o"]
depfile = "o/{name}.{ext}.d"
%
[task.t]
command = "true {v}"
deps = ["a", "b", "t"]
matrix = { v = ["1", "2"], w = ["x"] }
timeout = "10m"
retries = 2
pool = "heavy"
"#;
    let deep = format!("a = {}", "[".repeat(5000));
    [EVERY_KEY, MEMBERS, &deep].map(|text| text.as_bytes().to_vec()).into()
}
