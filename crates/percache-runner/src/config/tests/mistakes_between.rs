//! Mistakes between tasks and between files: names, members, outputs, cycles.

use super::{keys_of_a_task, mistakes};

#[test]
fn names_of_tasks_that_do_not_exist() {
    let found = mistakes(
        r#"[task.codegen]
command = "x"
[task.build]
command = "x"
deps = ["codgen", "x*", "codegen", ":y"]
[workspace]
default = ["bild"]"#,
        &[],
    );
    let said = r#"error: task `build` depends on a task that does not exist
  percache.toml:5:9 <"codgen"> no task is named `codgen`
hint: did you mean `codegen`?
error: this glob matches no task
  percache.toml:5:19 <"x*"> no task matches `x*`
hint: `*` is any text on its side of the `:`, as in `pkgs/*:test`
error: task `build` depends on a task that does not exist
  percache.toml:5:36 <":y"> no task is named `:y`
hint: tasks are the tables [task.NAME] of this file; those of a member are named `directory:task`
error: `default` names a task that does not exist
  percache.toml:7:12 <"bild"> no task is named `bild`
hint: did you mean `build`?"#;
    assert_eq!(found, said);
    let found = mistakes(
        r#"[task.a]
deps = ["b[1]", "b[x.d]"]
[task.b]
foreach = "*.c"
command = "x""#,
        &[("x.c", "")],
    );
    let said = r#"error: task `a` depends on a task that does not exist
  percache.toml:2:9 <"b[1]"> no task is named `b[1]`
hint: tasks are the tables [task.NAME] of this file; those of a member are named `directory:task`
error: task `a` depends on a task that does not exist
  percache.toml:2:17 <"b[x.d]"> no task is named `b[x.d]`
hint: did you mean `b[x.c]`?"#;
    assert_eq!(found, said);
    let found = mistakes(
        r#"workspace.members = ["p"]
[task.app]
command = "x"
deps = ["p:bild", "lib"]"#,
        &[(
            "p/percache.toml",
            r#"[task.lib]
deps = ["app"]
[task.build]
command = "x"
"#,
        )],
    );
    let said = r#"error: task `app` depends on a task that does not exist
  percache.toml:4:9 <"p:bild"> no task is named `p:bild`
hint: did you mean `p:build`?
error: task `app` depends on a task that does not exist
  percache.toml:4:19 <"lib"> no task is named `lib`
hint: did you mean `p:lib`?
error: task `p:lib` depends on a task that does not exist
  p/percache.toml:2:9 <"app"> no task is named `app`
hint: did you mean `:app`?"#;
    assert_eq!(found, said);
}

#[test]
fn members_have_a_file_and_only_tasks_in_it() {
    let found = mistakes(
        r#"workspace.members = ["p/*", "q", ".", "../r", "s["]"#,
        &[
            (
                "p/a/percache.toml",
                r#"[workspace]
[cache]
dir = "x"
[pools]
[task.build]
command = "x"
foo = 1
"#,
            ),
            ("p/b/percache.toml", "x ="),
        ],
    );
    let said = r#"error: member `q` has no percache.toml
  percache.toml:1:29 <"q"> names no member
hint: create q/percache.toml, or leave the directory out
error: the workspace root is not a member of itself
  percache.toml:1:34 <"."> names the root
hint: leave it out: tasks of the root file are tasks of the workspace
error: this is not a pattern for members
  percache.toml:1:39 <"../r"> the path leaves the workspace
hint: paths stay below the root's percache.toml; of a program elsewhere, name the version in `tools`
error: this is not a pattern for members
  percache.toml:1:47 <"s["> `[` is not closed; write `\[` for the character itself
error: [workspace] in the file of a member
  p/a/percache.toml:1:2 <workspace> only the root file may have this table
hint: move it to the percache.toml of the workspace root
error: [cache] in the file of a member
  p/a/percache.toml:2:2 <cache> only the root file may have this table
hint: move it to the percache.toml of the workspace root
error: [pools] in the file of a member
  p/a/percache.toml:4:2 <pools> only the root file may have this table
hint: move it to the percache.toml of the workspace root
error: unknown key `foo` in [task.build]
  p/a/percache.toml:7:1 <foo> no such key
hint: its keys are KEYS
error: this is not TOML
  p/b/percache.toml:1:4 <> string values must be quoted, expected literal string"#;
    assert_eq!(found, said.replace("KEYS", &keys_of_a_task()));
    let found = mistakes(r#"workspace.members = ["*"]"#, &[("a:b/percache.toml", "")]);
    let said = r#"error: directory `a:b` cannot be a member
  percache.toml:1:22 <"*"> its name has a character that has a meaning in names of tasks
hint: rename it, or take it away with a `!` pattern"#;
    assert_eq!(found, said);
}

#[test]
fn a_cycle_is_shown_whole() {
    let found = mistakes(
        r#"[task.a]
command = "x"
deps = ["b"]
[task.b]
command = "x"
deps = ["c"]
[task.c]
command = "x"
inputs = ["gen/*.h"]
[task.d]
command = "y"
outputs = ["gen/x.h"]
deps = ["a*"]
[task.e]
deps = ["e"]
"#,
        &[],
    );
    let said = r#"error: dependency cycle: `a` → `b` → `c` → `d` → `a`
  percache.toml:3:9 <"b"> `a` depends on `b`
  percache.toml:6:9 <"c"> `b` depends on `c`
  percache.toml:9:11 <"gen/*.h"> `c` reads `gen/x.h`, an output of `d`
  percache.toml:13:9 <"a*"> `d` depends on `a`
hint: if `gen/x.h` is not meant as an input, add `"!gen/x.h"` to `inputs`
error: task `e` depends on itself
  percache.toml:15:9 <"e"> `e` depends on `e`
hint: one of these steps has to go: take the name out of `deps`"#;
    assert_eq!(found, said);
}

#[test]
fn every_output_has_one_owner() {
    let found = mistakes(
        r#"[task.a]
command = "x"
outputs = ["gen"]
[task.b]
command = "y"
outputs = ["gen/x.h", "o/*.o"]
[task.c]
command = "y"
outputs = ["o/*.o", "!o/y.o"]
[task.d]
command = "z"
outputs = ["o/x.o", "same"]
[task.e]
command = "z"
outputs = ["same"]
"#,
        &[],
    );
    let said = r#"error: two tasks produce `gen/x.h`
  percache.toml:6:12 <"gen/x.h"> `b` produces it
  percache.toml:3:12 <"gen"> `a` produces it too
hint: every output belongs to one task: rename it, or take it away with a `!` pattern
error: two tasks produce `o/*.o`
  percache.toml:9:12 <"o/*.o"> `c` produces it
  percache.toml:6:23 <"o/*.o"> `b` produces it too
hint: every output belongs to one task: rename it, or take it away with a `!` pattern
error: two tasks produce `o/x.o`
  percache.toml:12:12 <"o/x.o"> `d` produces it
  percache.toml:6:23 <"o/*.o"> `b` produces it too
hint: every output belongs to one task: rename it, or take it away with a `!` pattern
error: two tasks produce `same`
  percache.toml:15:12 <"same"> `e` produces it
  percache.toml:12:21 <"same"> `d` produces it too
hint: every output belongs to one task: rename it, or take it away with a `!` pattern"#;
    assert_eq!(found, said);
}

#[test]
fn a_glob_inside_of_the_outputs_of_another_task_is_a_mistake() {
    let said = |code: &str, assets: &str| {
        let text =
            format!("[task.code]\ncommand = 'x'\noutputs = {code}\n[task.assets]\ncommand = 'x'\noutputs = {assets}\n");
        mistakes(&text, &[]).lines().filter(|line| line.starts_with("error")).collect::<Vec<_>>().join("\n")
    };
    for (code, assets, pattern) in [
        ("['dist/**']", "['dist/assets/**']", "dist/assets/**"),
        ("['dist/']", "['dist/assets/*.svg']", "dist/assets/*.svg"),
        ("['dist/*']", "['dist/assets/**']", "dist/assets/**"),
        ("['dist/**/*.svg']", "['dist/assets/*.svg']", "dist/assets/*.svg"),
        ("['dist/assets/*']", "['dist/**']", "dist/assets/*"),
        ("['dist/**']", "['dist/**/*']", "dist/**"),
        ("['dist/?']", "['dist/*']", "dist/?"),
    ] {
        assert_eq!(said(code, assets), format!("error: two tasks produce `{pattern}`"), "{code} {assets}");
    }
    for (code, assets) in [
        ("['**/*.js']", "['dist/*']"),
        ("['dist/*.js']", "['dist/*.map']"),
        ("['dist/**', '!dist/assets/**']", "['dist/assets/**']"),
        ("['dist/p*']", "['dist/*x']"),
    ] {
        assert_eq!(said(code, assets), "", "{code} {assets}");
    }
}

#[test]
fn instances_of_one_task_write_different_files() {
    let found = mistakes(
        r#"[task.a]
foreach = '**/*.c'
command = 'x'
outputs = ['build/{stem}.o']
depfile = 'd'
"#,
        &[("a/x.c", ""), ("b/x.c", ""), ("c/y.c", "")],
    );
    let said = r#"error: two tasks produce `build/x.o`
  percache.toml:4:12 <'build/{stem}.o'> is an output of `a[a/x.c]` and of `a[b/x.c]`
hint: tell them apart by `{dir}`: `build/{dir}/{stem}.o`
error: two tasks write `d`
  percache.toml:5:11 <'d'> `a[a/x.c]` and `a[b/x.c]` both write it
hint: tell them apart by `{dir}`: `{dir}/{stem}.d`"#;
    assert_eq!(found, said);
    let found = mistakes(
        r#"[task.m]
matrix.v = [1, 2]
command = 'x'
outputs = ['r/cov.xml']
"#,
        &[],
    );
    let said = r#"error: two tasks produce `r/cov.xml`
  percache.toml:4:12 <'r/cov.xml'> is an output of `m[v=1]` and of `m[v=2]`
hint: tell them apart by the axis: `r/{v}/cov.xml`"#;
    assert_eq!(found, said);
}

#[test]
fn no_task_reads_what_it_writes() {
    let found = mistakes(
        r#"[task.a]
command = "x"
inputs = ["src/**"]
outputs = ["src/gen.c", "y"]
[task.b]
command = "x"
inputs = ["*.txt"]
outputs = ["*.txt"]
[task.c]
command = "x"
inputs = ["out/seed", "z"]
outputs = ["out/"]
[task.d]
command = "x"
inputs = ["lib/*.c"]
outputs = ["lib/a*.c"]
"#,
        &[],
    );
    let said = r#"error: task `a` reads its own output `src/gen.c`
  percache.toml:4:12 <"src/gen.c"> is an output
  percache.toml:3:11 <"src/**"> and here an input
hint: take it away from the inputs: add `"!src/gen.c"` at the end
error: task `b` reads its own output `*.txt`
  percache.toml:8:12 <"*.txt"> is an output
  percache.toml:7:11 <"*.txt"> and here an input
hint: take it away from the inputs: add `"!*.txt"` at the end
error: task `c` reads its own output `out/`
  percache.toml:12:12 <"out/"> is an output
  percache.toml:11:11 <"out/seed"> and here an input
hint: name the files that the task writes, or keep the input elsewhere
error: task `d` reads its own output `lib/a*.c`
  percache.toml:16:12 <"lib/a*.c"> is an output
  percache.toml:15:11 <"lib/*.c"> and here an input
hint: take it away from the inputs: add `"!lib/a*.c"` at the end"#;
    assert_eq!(found, said);
    let found = mistakes(
        r#"[task.a]
command = "x"
outputs = ["."]
"#,
        &[],
    );
    let said = r#"error: an output of `a` contains percache.toml
  percache.toml:3:12 <"."> the configuration is nobody's output
hint: name the files that the task writes, or a directory of their own"#;
    assert_eq!(found, said);
}

#[test]
fn foreach_does_not_feed_itself() {
    let found = mistakes(
        r#"[task.a]
foreach = 'x/*'
command = 'x'
outputs = ['y/{name}']
[task.b]
foreach = 'y/*'
command = 'x'
outputs = ['x/{name}']"#,
        &[("x/1", "")],
    );
    let said = r#"error: the `foreach` of `a` and `b` match each other's outputs
  percache.toml:2:11 <'x/*'> matches outputs of `b`
  percache.toml:6:11 <'y/*'> matches outputs of `a`
hint: take the outputs away from one of them with a `!` pattern"#;
    assert_eq!(found, said);
}

#[test]
fn the_store_is_apart_from_the_workspace_and_its_outputs() {
    let found = mistakes("[cache]\ndir = '.'\n[task.a]\ncommand = 'x'\noutputs = ['out']\n", &[]);
    let said = r#"error: the store would contain the workspace
  percache.toml:2:7 <'.'> contains this file
hint: give it a directory of its own, for example `.percache`"#;
    assert_eq!(found, said);
    let found = mistakes("[cache]\ndir = 'st'\n[task.a]\ncommand = 'x'\noutputs = ['ok', 'st/*.o', 'store']\n", &[]);
    let said = r#"error: an output of `a` lies in the store
  percache.toml:5:18 <'st/*.o'> is percache's own
hint: name another place, or set `dir` of [cache]"#;
    assert_eq!(found, said);
}
