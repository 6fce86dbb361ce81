//! The meaning of files without mistakes.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::model::TaskCommand;

/// The example of the contract, in one piece.
pub(super) const EXAMPLE: &str = r#"
[workspace]
members = ["pkgs/*"]            # directories with a percache.toml of their own
default = ["app", "pkgs/*:test"]
env = { LANG = "C.UTF-8" }

[cache]
dir = ".percache"
maxage = "30d"
maxsize = "20GiB"

[task.codegen]
description = "Generate the opcode table"
command = "python3 gen.py > gen/opcodes.h"
inputs = ["gen.py", "opcodes/**/*.txt", "!opcodes/draft/**"]
outputs = ["gen/opcodes.h"]
tools = ["python3 --version"]

[task.objects]
foreach = "src/**/*.c"
command = ["cc", "-O2", "-MD", "-c", "{file}", "-o", "build/{stem}.o"]
inputs = ["{file}"]
outputs = ["build/{stem}.o"]
depfile = "build/{stem}.d"
env = { SOURCE_DATE_EPOCH = "0" }
env_from = ["CC", "CFLAGS"]
env_pass = ["SSH_AUTH_SOCK"]
env_file = [".env"]

[task.app]
command = "cc build/*.o -o build/app"
inputs = ["build/*.o"]
outputs = ["build/app"]
deps = ["codegen"]

[task.test]
command = "./run-tests build/app"
deps = ["app"]
matrix = { python = ["3.11", "3.12"] }
timeout = "10m"
retries = 0
cache = true
valid_for = "1d"
interactive = false
cwd = "."
pool = "heavy"

[pools]
heavy = 1
"#;

fn example() -> Workspace {
    workspace(
        EXAMPLE,
        &[
            ("src/a.c", ""),
            ("src/x/b.c", ""),
            ("pkgs/lib/percache.toml", "[task.test]\ncommand = \"true\"\n"),
            ("pkgs/no-member/file", ""),
        ],
    )
}

#[test]
fn every_key_reaches_its_task() {
    let workspace = example();
    assert_eq!(
        names(&workspace),
        [
            "app",
            "codegen",
            "objects[src/a.c]",
            "objects[src/x/b.c]",
            "pkgs/lib:test",
            "test[python=3.11]",
            "test[python=3.12]"
        ]
    );
    assert_eq!(workspace.cache.dir.as_deref(), Some(Path::new(".percache")));
    assert_eq!(workspace.cache.maxage, Some(Duration::from_secs(30 * 86400)));
    assert_eq!(workspace.cache.maxsize, Some(20 << 30));
    assert_eq!(workspace.files, [path("percache.toml"), path("pkgs/lib/percache.toml")]);
    assert_eq!(named(&workspace, &workspace.default), ["app", "pkgs/lib:test"]);

    let codegen = task(&workspace, "codegen");
    assert_eq!(codegen.description.as_deref(), Some("Generate the opcode table"));
    assert_eq!(codegen.command, Some(TaskCommand::Shell("python3 gen.py > gen/opcodes.h".to_owned())));
    assert_eq!(inputs(codegen), ["gen.py", "opcodes/**/*.txt", "!opcodes/draft/**"]);
    assert_eq!(codegen.tools, ["python3 --version"]);

    let object = task(&workspace, "objects[src/x/b.c]");
    assert_eq!(object.template, "objects");
    let argv = ["cc", "-O2", "-MD", "-c", "src/x/b.c", "-o", "build/b.o"].map(str::to_owned);
    assert_eq!(object.command, Some(TaskCommand::Argv(argv.to_vec())));
    assert_eq!((inputs(object), outputs(object)), (vec!["src/x/b.c".to_owned()], vec!["build/b.o".to_owned()]));
    assert_eq!(object.discovery.depfile(), Some(&path("build/b.d")));
    assert_eq!(object.env["SOURCE_DATE_EPOCH"], "0");
    assert_eq!(object.env["LANG"], "C.UTF-8");
    assert_eq!(
        (&object.env_from[..], &object.env_pass[..]),
        (&["CC", "CFLAGS"].map(String::from)[..], &["SSH_AUTH_SOCK".to_owned()][..])
    );
    assert_eq!(object.env_file, [path(".env")]);

    let test = task(&workspace, "test[python=3.12]");
    assert_eq!((test.timeout, test.valid_for), (Some(Duration::from_secs(600)), Some(Duration::from_secs(86400))));
    assert_eq!((test.retries, test.cache, test.interactive, &test.cwd), (0, true, false, &RelPath::root()));
    let uses: Vec<_> = test.uses.iter().map(|of| (&workspace.pools[of.pool.0 as usize].name[..], of.amount)).collect();
    assert_eq!(uses, [("heavy", 1)]);
    assert_eq!(inputs(test), ["default"]);
}

#[test]
fn dependencies_are_stated_or_inferred() {
    let workspace = example();
    let app = task(&workspace, "app");
    assert_eq!(named(&workspace, &app.deps), ["codegen"]);
    assert_eq!(named(&workspace, &app.inferred), ["objects[src/a.c]", "objects[src/x/b.c]"]);
    assert_eq!(named(&workspace, &task(&workspace, "test[python=3.11]").deps), ["app"]);
}

#[test]
fn without_settings_everything_has_its_default() {
    let workspace = workspace("[task.a]\ncommand = 'x'\n[task.b]\ndeps = ['a']\n", &[]);
    let (a, b) = (task(&workspace, "a"), task(&workspace, "b"));
    assert_eq!((a.cache, a.interactive, a.retries, a.timeout), (true, false, 0, None));
    assert_eq!((inputs(a), outputs(a)), (vec!["default".to_owned()], vec![]));
    assert_eq!((inputs(b), b.command.as_ref()), (vec![], None));
    assert_eq!(named(&workspace, &workspace.default), ["a", "b"]);
    assert_eq!((workspace.cache.dir, workspace.cache.maxage, workspace.cache.maxsize), (None, None, None));
    assert_eq!(workspace.cache.check_rate, 0.0);
}

#[test]
fn a_share_is_a_number_from_nought_to_one() {
    let rate = |text: &str| workspace(&format!("[cache]\ncheck_rate = {text}\n"), &[]).cache.check_rate;
    assert_eq!(["0", "1", "0.25", "1e-2", "1.0"].map(rate), [0.0, 1.0, 0.25, 0.01, 1.0]);
}

#[test]
fn paths_and_names_of_a_member_are_its_own() {
    let member = r#"
[task.build]
command = "cc {args}"
inputs = ["src", "../shared/x.h", ":"]
outputs = ["out/"]
cwd = "src"
deps = [":gen", "pkgs/lib:build", "t*"]
[task.test]
command = "true"
"#;
    let lib = "[task.build]\nforeach = '*.c'\ncommand = 'cc {file}'\ncwd = 'out'\n";
    let root = "workspace.members = ['pkgs/*']\n[task.gen]\ncommand = 'x'\noutputs = ['pkgs/app/src/gen.c']\n";
    let tree = Tree::new(
        root,
        &[("pkgs/app/percache.toml", member), ("pkgs/lib/percache.toml", lib), ("pkgs/lib/-a b.c", "")],
    );
    let workspace = tree.load(&["it's", "x"]).unwrap();
    let build = task(&workspace, "pkgs/app:build");
    assert_eq!(
        (inputs(build), outputs(build)),
        (
            ["pkgs/app/src", "pkgs/shared/x.h", "pkgs/app/:"].map(String::from).to_vec(),
            vec!["pkgs/app/out/".to_owned()]
        )
    );
    assert_eq!((&build.dir, &build.cwd), (&path("pkgs/app"), &path("pkgs/app/src")));
    assert_eq!(named(&workspace, &build.deps), ["gen", "pkgs/app:test", "pkgs/lib:build[-a b.c]"]);
    assert_eq!(build.command, Some(TaskCommand::Shell(r#"cc 'it'\''s' x"#.to_owned())));
    let lib = task(&workspace, "pkgs/lib:build[-a b.c]");
    assert_eq!(lib.command, Some(TaskCommand::Shell("cc '../-a b.c'".to_owned())));
}

#[test]
fn members_are_matched_in_order_and_sorted() {
    let task = "[task.t]\ncommand = 'x'\n";
    let files =
        ["a/percache.toml", "b/percache.toml", "b/sub/percache.toml", "c/old/percache.toml", "c/new/percache.toml"];
    let files = files.map(|file| (file, task));
    let load = |members: &str| {
        let workspace = workspace(&format!("workspace.members = {members}"), &files);
        let files = workspace.files.iter().skip(1).filter_map(RelPath::parent);
        files.map(|dir| dir.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(load("['*']"), ["a", "b"]);
    assert_eq!(load("['c/*', 'a', '!c/old']"), ["a", "c/new"]);
    assert_eq!(load("['**', '!b']"), ["a", "b/sub", "c/new", "c/old"]);
    assert_eq!(load("['b/', 'b/sub']"), ["b", "b/sub"]);
}

#[test]
fn what_the_tasks_depend_on_besides_the_files_is_told() {
    let workspace = example();
    let listed: Vec<String> = workspace.listed.iter().map(ToString::to_string).collect();
    for dir in ["src", "src/x", "pkgs"] {
        assert!(listed.contains(&dir.to_owned()), "{dir} in {listed:?}");
    }
}

#[test]
fn args_are_words_of_their_own() {
    let tree = Tree::new(
        "[task.a]\ncommand = ['x', '{args}', '--all={args}']\n[task.b]\ncommand = 'y {args}'\nenv = { A = '<{args}>' }\n",
        &[],
    );
    let workspace = tree.load(&["-k", "a b"]).unwrap();
    let argv = ["x", "-k", "a b", "--all=-k a b"].map(str::to_owned).to_vec();
    assert_eq!(task(&workspace, "a").command, Some(TaskCommand::Argv(argv)));
    assert_eq!(task(&workspace, "b").command, Some(TaskCommand::Shell("y -k 'a b'".to_owned())));
    assert_eq!(task(&workspace, "b").env["A"], "<-k a b>");
    let without = tree.load(&[]).unwrap();
    assert_eq!(task(&without, "a").command, Some(TaskCommand::Argv(vec!["x".to_owned(), "--all=".to_owned()])));
}
