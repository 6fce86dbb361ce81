//! Rules of the source that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

/// What takes something away from a directory, or puts something over it.
const TAKES_AWAY: [&str; 10] = [
    "remove_file",
    "remove_dir",
    "unlinkat(",
    "renameat",
    "fs::rename(",
    "fs::write(",
    "File::create(",
    ".truncate(true)",
    "set_len(",
    "fs::copy(",
];

/// The files of the runner that may, and why.
const MAY: [(&str, &str); 14] = [
    ("fs/clearing.rs", "decides what goes, and displaces what percache does not hold"),
    ("fs/beneath.rs", "does that, for clearing and for directories"),
    ("fs/beneath/system.rs", "asks the kernel for it"),
    ("fs/displaced.rs", "keeps what was displaced, in the store"),
    ("fs/displaced/items.rs", "gives it back, and removes what is too old"),
    ("fs/displaced/relocate.rs", "moves what is displaced or given back"),
    ("action/directories.rs", "removes empty directories that percache made"),
    ("action/restore/staged.rs", "removes what waits in the staging directory"),
    ("fs/staging.rs", "removes the staging directory"),
    ("worktree/directory.rs", "the worktree's directory in the store"),
    ("maintenance.rs", "the store's directory"),
    ("worktree/failed_runs.rs", "the worktree's directory in the store"),
    ("worktree/intents.rs", "the worktree's directory in the store"),
    ("worktree/last_used.rs", "the worktree's directory in the store"),
];

/// The source files below a directory, relative to it.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).expect("a directory of sources").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => pending.push(path),
                false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// The code of a file without its tests and comments, by lines.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.find("#[cfg(test)]").or(text.find("#[cfg(all(test")).unwrap_or(text.len());
    text[..end].lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// percache never destroys bytes that it does not hold: one file decides what in the tree goes or gives way, and all others have it do so.
#[test]
fn nothing_in_the_tree_goes_but_by_clearing() {
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("../percache-runner/src");
    let mut found = Vec::new();
    let mut used = Vec::new();
    for path in sources(&runner) {
        let name = path.strip_prefix(&runner).expect("below it").to_string_lossy().into_owned();
        if name.ends_with("tests.rs") || name.contains("/tests/") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        let takes: Vec<_> = code(&text).filter(|(_, line)| TAKES_AWAY.iter().any(|word| line.contains(word))).collect();
        match MAY.iter().find(|(may, _)| *may == name) {
            Some((may, _)) if !takes.is_empty() => used.push(*may),
            Some(_) => {}
            None => found.extend(takes.iter().map(|(line, text)| format!("{name}:{}: {}", line + 1, text.trim()))),
        }
    }
    assert!(
        found.is_empty(),
        "go through `clearing`, or add the file with its reason to the list:\n{}",
        found.join("\n")
    );
    let idle: Vec<_> = MAY.iter().map(|(may, _)| *may).filter(|may| !used.contains(may)).collect();
    assert!(idle.is_empty(), "these need not be on the list any more: {idle:?}");
}

/// The layers of the runner, the lowest first, as the table in its `lib.rs` has them.
fn layers(lib: &str) -> Vec<String> {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned())).collect()
}

/// The first component of every path that begins with `crate::`.
fn used(line: &str) -> impl Iterator<Item = &str> {
    let paths = line.split("crate::").skip(1);
    paths.map(|path| path.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap_or_default())
}

/// Dependencies between the folders of a crate run one way.
#[test]
fn every_layer_uses_only_those_below_it() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (runner, core) = (crates.join("percache-runner/src"), crates.join("percache/src"));
    let of_runner = layers(&fs::read_to_string(runner.join("lib.rs")).expect("lib.rs"));
    let of_core = ["base", "db", "store", "backend", "memo"].map(str::to_owned).to_vec();
    let mut wrong = Vec::new();
    for (root, layers) in [(runner, of_runner), (core, of_core)] {
        let height = |name: &str| layers.iter().position(|layer| layer == name);
        for path in sources(&root) {
            let name = path.strip_prefix(&root).expect("below it").to_string_lossy().into_owned();
            if name == "lib.rs" || name.ends_with("tests.rs") || name.contains("/tests/") {
                continue;
            }
            let own = name.split(['/', '.']).next().unwrap_or_default();
            let own = height(own).unwrap_or_else(|| panic!("`{own}` of {} is no layer that is known", root.display()));
            let text = fs::read_to_string(&path).expect("a source file");
            for (line, text) in code(&text) {
                let above = used(text).filter_map(height).any(|other| other > own);
                wrong.extend(above.then(|| format!("{name}:{}: {}", line + 1, text.trim())));
            }
        }
    }
    assert!(wrong.is_empty(), "these use a layer above their own:\n{}", wrong.join("\n"));
}

/// A stranger learns from the first line of a file what it is.
#[test]
fn every_file_says_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut wrong = Vec::new();
    for path in ["crates", "tests"].iter().flat_map(|dir| sources(&root.join(dir))) {
        let name = path.strip_prefix(&root).expect("below it").display().to_string();
        // What a macro is to refuse is shown as a user writes it.
        if !fs::read_to_string(&path).expect("a source file").starts_with("//! ") && !name.contains("/ui/") {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "these do not say what they are (`//!`):\n{}", wrong.join("\n"));
}

/// What a crate is used for, it is used for in one place: code that begins so, and the files of `crates/` that may have it.
const ONLY_IN: [(&str, &[&str]); 5] = [
    ("pyo3::", &["percache-py/src/"]),
    ("rocksdb::", &["percache/src/db/rocks.rs", "percache/src/db/rocks/"]),
    ("indicatif::", &["percache-cli/src/report/live/bar.rs"]),
    (
        "clap::",
        &[
            "percache-cli/src/args.rs",
            "percache-cli/src/usage.rs",
            "percache-cli/src/completion",
            "percache-cli/src/commands/help.rs",
            "percache-cli/src/commands/man.rs",
        ],
    ),
    ("stdio::stdout()", &["percache-cli/src/terminal/output.rs"]),
];

/// The "never" lines of docs/ARCHITECTURE.md that can be told from the text of the source.
#[test]
fn what_one_place_is_for_is_nowhere_else() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let products = ["percache/src", "percache-runner/src", "percache-cli/src", "percache-py/src"];
    let mut wrong = Vec::new();
    for path in products.iter().flat_map(|dir| sources(&crates.join(dir))) {
        let name = path.strip_prefix(&crates).expect("below it").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a source file");
        for (line, text) in code(&text) {
            let misplaced = ONLY_IN.iter().filter(|(word, files)| {
                text.contains(word) && !files.iter().any(|file| name.starts_with(file)) && !name.ends_with("tests.rs")
            });
            wrong.extend(misplaced.map(|(word, _)| format!("{name}:{}: has `{word}`", line + 1)));
        }
    }
    assert!(wrong.is_empty(), "see \"What holds everywhere\" in docs/ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

/// What a crate must never know, it does not depend on.
#[test]
fn no_crate_depends_on_what_it_must_never_know() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let never: [(&str, &[&str]); 4] = [
        ("percache", &["clap", "indicatif", "toml", "toml_edit", "rayon", "percache-runner"]),
        ("percache-runner", &["clap", "indicatif", "rocksdb", "percache-cli", "home", "dirs"]),
        ("percache-macros", &["percache", "percache-runner", "rocksdb"]),
        ("percache-py", &["clap", "indicatif", "rocksdb", "percache-runner", "percache-cli"]),
    ];
    for (name, never) in never {
        let manifest = fs::read_to_string(crates.join(name).join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table).expect("dependencies");
        let wrong: Vec<_> = never.iter().filter(|other| dependencies.contains_key(**other)).collect();
        assert!(wrong.is_empty(), "{name} depends on {wrong:?}");
    }
}
