//! `foreach` and `matrix`: the instances, and the values of their placeholders.

use std::time::Instant;

use super::*;
use crate::model::TaskCommand;

fn shell(workspace: &Workspace, name: &str) -> String {
    match &task(workspace, name).command {
        Some(TaskCommand::Shell(text)) => text.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn placeholders_of_a_file() {
    let root = "[task.t]\nforeach = ['**/*.c', '!old']\ncommand = '{file} {dir} {name} {stem} {ext}'\noutputs = ['o/{dir}/{stem}']\n";
    let workspace = workspace(root, &[("x/a.b.c", ""), ("top.c", ""), ("old/a.c", ""), ("x/y z/[q].c", "")]);
    assert_eq!(names(&workspace), ["t[top.c]", "t[x/a.b.c]", "t[x/y z/[q].c]"]);
    assert_eq!(shell(&workspace, "t[x/a.b.c]"), "x/a.b.c x a.b.c a.b c");
    assert_eq!(shell(&workspace, "t[top.c]"), "top.c . top.c top c");
    assert_eq!(outputs(task(&workspace, "t[top.c]")), ["o/top"]);
    let odd = task(&workspace, "t[x/y z/[q].c]");
    assert!(odd.outputs.matches(&path("o/x/y z/[q]")), "a value means itself in a pattern");
    assert!(!odd.outputs.matches(&path("o/x/y z/q")));
}

#[test]
fn paths_in_commands_are_as_seen_from_where_they_run() {
    let root = "[task.t]\nforeach = 'src/*.c'\ncommand = ['cc', '{file}', '-I{dir}']\ncwd = 'build'\ninputs = ['{file}']\nenv.F = '{file}'\n";
    let workspace = workspace(root, &[("src/a.c", "")]);
    let argv = ["cc", "../src/a.c", "-I../src"].map(str::to_owned).to_vec();
    assert_eq!(task(&workspace, "t[src/a.c]").command, Some(TaskCommand::Argv(argv)));
    assert_eq!(inputs(task(&workspace, "t[src/a.c]")), ["src/a.c"]);
    assert_eq!(task(&workspace, "t[src/a.c]").env["F"], "../src/a.c");
}

#[test]
fn a_file_that_looks_like_an_option_is_none() {
    let root = "[task.t]\nforeach = '*.c'\ncommand = ['cc', '{file}', '-o{name}']\n";
    let workspace = workspace(root, &[("-x.c", "")]);
    let argv = ["cc", "./-x.c", "-o-x.c"].map(str::to_owned).to_vec();
    assert_eq!(task(&workspace, "t[-x.c]").command, Some(TaskCommand::Argv(argv)));
}

#[test]
fn axes_combine_with_each_other_and_with_files() {
    let root = r#"
[task.t]
foreach = "{os}/*.c"
matrix = { v = [1, 2.50, true], os = ["linux", "mac"] }
command = "{os} {v} {stem}"
deps = ["gen[os={os}]"]
timeout = "{v}m"
[task.gen]
command = "x"
matrix.os = ["linux", "mac"]
"#;
    let root = root.replace("2.50, true", "2");
    let workspace = workspace(&root, &[("linux/a.c", ""), ("mac/b.c", "")]);
    let expected = [
        "gen[os=linux]",
        "gen[os=mac]",
        "t[linux/a.c,os=linux,v=1]",
        "t[linux/a.c,os=linux,v=2]",
        "t[mac/b.c,os=mac,v=1]",
        "t[mac/b.c,os=mac,v=2]",
    ];
    assert_eq!(names(&workspace), expected);
    let task = task(&workspace, "t[mac/b.c,os=mac,v=2]");
    assert_eq!(named(&workspace, &task.deps), ["gen[os=mac]"]);
    assert_eq!(task.timeout, Some(std::time::Duration::from_secs(120)));
    assert_eq!(shell(&workspace, "t[mac/b.c,os=mac,v=2]"), "mac 2 b");
}

#[test]
fn values_of_axes_are_the_text_as_written() {
    let workspace = workspace("[task.t]\nmatrix.v = [3.10, 2, true, 'x y']\ncommand = '{v}'\n", &[]);
    assert_eq!(names(&workspace), ["t[v=2]", "t[v=3.10]", "t[v=true]", "t[v=x y]"]);
}

#[test]
fn no_file_no_task() {
    let workspace = workspace("[task.t]\nforeach = '*.c'\ncommand = 'x'\n[task.all]\ndeps = ['t']\n", &[]);
    assert_eq!(names(&workspace), ["all"]);
    assert_eq!(workspace.empty, ["t"]);
}

const CHAIN: &str = r#"
[task.c]
foreach = "src/*.y"
command = "yacc"
inputs = ["{file}"]
outputs = ["gen/{stem}.c"]
[task.o]
foreach = ["src/*.c", "gen/*.c", "rest/**"]
command = "cc"
inputs = ["{file}"]
outputs = ["build/{stem}.o"]
[task.z]
foreach = "build/*.o"
command = "zip"
inputs = ["{file}"]
outputs = ["{file}.z"]
"#;

#[test]
fn outputs_of_other_tasks_are_files_before_they_exist() {
    let clean = workspace(CHAIN, &[("src/a.y", ""), ("src/b.c", "")]);
    let expected = ["c[src/a.y]", "o[gen/a.c]", "o[src/b.c]", "z[build/a.o]", "z[build/b.o]"];
    assert_eq!(names(&clean), expected);
    assert_eq!(named(&clean, &task(&clean, "z[build/a.o]").inferred), ["o[gen/a.c]"]);
    let built = ["src/a.y", "src/b.c", "gen/a.c", "build/a.o", "build/b.o", "build/a.o.z", "build/b.o.z"]
        .map(|file| (file, ""));
    assert_eq!(names(&workspace(CHAIN, &built)), expected, "a built tree has the same tasks");
}

#[test]
fn what_tasks_produce_is_no_source() {
    let root = "[task.t]\nforeach = '**/*.txt'\ncommand = 'x'\noutputs = ['{dir}/{stem}.out.txt']\n[task.g]\ncommand = 'y'\noutputs = ['gen/']\n";
    let sources = [("a.txt", ""), ("x/b.txt", "")];
    let built = [("a.txt", ""), ("x/b.txt", ""), ("a.out.txt", ""), ("x/b.out.txt", ""), ("gen/c.txt", "")];
    let expected = ["g", "t[a.txt]", "t[x/b.txt]"];
    assert_eq!(names(&workspace(root, &sources)), expected);
    assert_eq!(names(&workspace(root, &built)), expected);
}

#[test]
fn nothing_in_the_store_or_in_git_is_a_source() {
    let root = "cache.dir = 'st'\n[task.t]\nforeach = '**/*.c'\ncommand = 'x'\n";
    assert_eq!(
        names(&workspace(root, &[("a.c", ""), ("st/b.c", ""), (".git/c.c", ""), (".hidden/d.c", "")])),
        ["t[.hidden/d.c]", "t[a.c]"]
    );
}

#[test]
fn ten_thousand_files_expand_quickly() {
    let root =
        format!("{CHAIN}[task.app]\ncommand = 'ld'\ninputs = ['build/*.o', 'include/**/*.h']\noutputs = ['app']\n");
    let tree = Tree::new(&root, &[]);
    for i in 0..10_000 {
        tree.write(&format!("src/d{}/f{i}.y", i % 100), "");
    }
    tree.write(
        "percache.toml",
        &root.replace("src/*.y", "src/**/*.y").replace("\"{file}\"", "\"{file}\", \"include/**/*.h\""),
    );
    let start = Instant::now();
    let workspace = tree.loaded();
    println!("{} tasks in {:?}", workspace.tasks.len(), start.elapsed());
    assert_eq!(workspace.tasks.len(), 30_001);
    assert_eq!(task(&workspace, "app").inferred.len(), 10_000);
    let start = Instant::now();
    let graph = crate::graph::TaskGraph::new(&workspace);
    println!("graph in {:?}", start.elapsed());
    assert_eq!(graph.order.len(), 30_001);
}

#[test]
fn the_script_of_a_shell_in_an_array_is_quoted_like_a_string() {
    let root =
        "[task.t]\nforeach = 'src/*'\ncommand = ['env', 'bash', '-e', '-c', 'cat {file} \"$1\"', 'sh', '{file}']\n";
    let workspace = workspace(root, &[("src/a;b", "")]);
    let words = ["env", "bash", "-e", "-c", "cat 'src/a;b' \"$1\"", "sh", "src/a;b"].map(str::to_owned);
    assert_eq!(task(&workspace, "t[src/a;b]").command, Some(TaskCommand::Argv(words.to_vec())));
}
