//! Nobody but its owner reads a store, whatever wrote to it; and no value of a variable lies in it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sandbox::{PERCACHE, Sandbox};

#[test]
fn whatever_a_command_leaves_in_a_store_is_its_owners_alone() {
    let ws = Sandbox::new(
        r#"
            [workspace]
            jobserver = true

            [task.unstable]
            command = "date +%s%N > out/unstable"
            inputs = []
            outputs = ["out/unstable"]

            [task.files]
            foreach = "src/*"
            command = "cat {file} > out/{name}; echo {name}"
            outputs = ["out/{name}"]
            tools = ["sh -c 'echo 1'"]
            env_file = [".env"]

            [task.fails]
            command = "test ! -e failing"

            [task.long]
            command = "head -c 9000000 /dev/zero | tr '\\0' x; cp src/a out/long"
            outputs = ["out/long"]
        "#,
    );
    ws.write(".env", "TOKEN=x\n");
    (0..40).for_each(|i| ws.write(&format!("src/{i}"), "x".repeat(i)));
    ws.write("src/a", "a".repeat(3 << 20));
    let commands = [
        "build",
        "build --check",
        "report",
        "build --explain",
        "exec -i src/a -o copy -- cp src/a copy",
        "why unstable",
        "log long",
        "stats",
        "list",
        "graph",
        "gc --maxage 0",
        "verify --repair",
        "clear unstable",
        "build -f",
        "build -n",
        "build --profile out/profile",
    ];
    for command in commands {
        ws.shell(&format!("umask 000; {PERCACHE} {command} || true"));
    }
    ws.shell(&format!("umask 000; rm -rf out; touch failing; {PERCACHE} build -k || rm failing; echo b >> src/a"));
    ws.shell(&format!(
        "umask 000; timeout -s KILL 0.05 {PERCACHE} build || true; {PERCACHE} build || true; timeout 1 {PERCACHE} watch || true"
    ));
    // A displaced file keeps the mode that it had, below a directory that nobody else can enter.
    let open = ws.shell("find .percache -mindepth 1 -perm /077 ! -path '*/displaced/*/*'");
    assert_eq!(open, "", "others can read these");
    assert!(ws.shell("find .percache -type f").lines().count() > 15);
}

/// Files of a store come from `percache::base::files`, which gives them their mode. What else makes a file says here why it
/// may.
#[test]
fn no_other_code_makes_files() {
    const MAKES: [&str; 7] = [
        "fs::write(",
        "File::create",
        "fs::copy(",
        "create_dir(",
        "create_dir_all(",
        "DirBuilder::new",
        "create_new(true)",
    ];
    let allowed = [
        // The one place.
        ("percache/src/base/files.rs", "DirBuilder::new"),
        // A private file for each result, which nobody has made before.
        ("percache/src/backend/files/entry_file.rs", "files::private()"),
        // Copies of private files, with their mode, below a directory that nobody else can enter.
        ("percache/src/db/rocks/salvage.rs", "fs::copy("),
        // A copy of a displaced file, which keeps its mode.
        ("percache-runner/src/fs/displaced/relocate.rs", "create_new(true).mode(0o600)"),
        // The names of a commit's files, below a temporary directory that nobody else can enter.
        ("percache-runner/src/fs/git_changes.rs", "fs::create_dir_all(above)"),
        ("percache-runner/src/fs/git_changes.rs", "fs::create_dir(&place)"),
        ("percache-runner/src/fs/git_changes.rs", "fs::File::create_new(&place)"),
        // The directories in the tree to which displaced files are given back.
        ("percache-runner/src/fs/displaced/items.rs", "create_dir_all("),
        ("percache-runner/src/fs/displaced/items.rs", "DirBuilder::new"),
        // Outputs on their way into the tree, which have the modes that they have there.
        ("percache-runner/src/action/restore/staged.rs", "create_dir(&place)"),
        ("percache-runner/src/action/restore/staged.rs", "create_dir_all(directory)"),
        ("percache-runner/src/action/restore/staged.rs", "create_new(true).mode(mode)"),
    ];
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for source in ["percache/src", "percache-runner/src"].iter().flat_map(|dir| sources(&crates.join(dir))) {
        let text = fs::read_to_string(&source).unwrap();
        let product = text.split("#[cfg(test)]\n").next().unwrap().split("#[cfg(all(test").next().unwrap();
        let lines = product.lines().filter(|line| MAKES.iter().any(|makes| line.contains(makes)));
        let path = source.strip_prefix(crates).unwrap().to_str().unwrap().to_owned();
        let others = lines.filter(|line| !allowed.iter().any(|(file, part)| path == *file && line.contains(part)));
        found.extend(others.map(|line| format!("{path}: {}", line.trim())));
    }
    assert_eq!(found, [""; 0], "use `percache::base::files`");
}

/// The Rust files below a directory, those of tests apart.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| match path.is_dir() {
        true if path.ends_with("tests") => Vec::new(),
        true => sources(&path),
        false if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") => vec![path],
        false => Vec::new(),
    };
    entries.flat_map(of).collect()
}

#[test]
fn no_value_of_a_file_of_variables_lies_in_the_store() {
    let ws = Sandbox::new(
        r#"
            [task.one]
            command = "@ran(one); echo x > out"
            outputs = ["out"]
            env_file = [".env"]

            [task.other]
            command = "@ran(other)"
            inputs = ["conf/*", "text"]
            env_file = ["link"]
        "#,
    );
    ws.write(".env", "TOKEN=hunter2-one\n");
    ws.write("conf/variables", "TOKEN=hunter2-other\n");
    ws.symlink("conf/variables", "link");
    ws.write("text", "said openly");
    ws.build(["-j1"]).reported(["one", "other"]);
    ws.write(".env", "TOKEN=hunter2-changed\n");
    ws.build(["-j1", "--explain"]).reported(["one"]);
    assert_eq!(ws.shell("grep -rl hunter2 .percache || true"), "", "a value is in the clear");
    assert_ne!(ws.shell("grep -rl 'said openly' .percache || true"), "", "texts are kept at all");
}
