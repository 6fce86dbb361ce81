//! Files below output patterns that no run made: of unknown origin, or tracked by git.

use super::{DOCS, displaced, git, with_a_note};
use crate::sandbox::Sandbox;

#[test]
fn a_file_of_unknown_origin_stays_and_keeps_the_result_from_being_stored() {
    let ws = with_a_note(DOCS);
    let told = ["`docs/notes.md` was among its outputs before", "\"!docs/notes.md\"", "--accept"];
    ws.build([]).ran(["docs"]).says(["`docs` is not stored"]).says(told);
    ws.build([]).ran(["docs"]).says(told);
    ws.write("docs/notes.md", "more work");
    ws.write("in", "2\n");
    ws.build([]).ran(["docs"]);
    assert_eq!((ws.read("docs/notes.md"), ws.read("docs/api.md")), ("more work".to_owned(), "2\n".to_owned()));
    ws.remove("docs/notes.md");
    ws.build([]).ran(["docs"]).does_not_say("not stored");
    ws.build([]).ran([]);
    assert!(!ws.exists("docs/notes.md"));
    assert_eq!(displaced(&ws), [""; 0]);
}

#[test]
fn what_the_user_says_about_a_file_of_unknown_origin_settles_it() {
    let ws = with_a_note(DOCS);
    ws.edit_config("[\"docs/\"]", "[\"docs/\", \"!docs/notes.md\"]");
    ws.build([]).ran(["docs"]).does_not_say("not stored");
    ws.build([]).ran([]);
    let ws = with_a_note(DOCS);
    ws.build(["--accept"]).ran(["docs"]).does_not_say("not stored");
    ws.remove("docs");
    ws.build([]).ran([]).restored(1);
    assert_eq!(ws.read("docs/notes.md"), "hours of work");
}

#[test]
fn what_git_tracks_is_a_source_and_no_part_of_a_result() {
    let ws = with_a_note(DOCS);
    git(&ws, "git init -q . && git add docs/notes.md && git commit -qm notes");
    ws.build([]).ran(["docs"]).does_not_say("not stored");
    ws.write("docs/notes.md", "more work");
    ws.build([]).ran([]);
    ws.write("in", "2\n");
    ws.build([]).ran(["docs"]);
    ws.write("in", "1\n");
    ws.build([]).ran([]).restored(1);
    assert_eq!(ws.read("docs/notes.md"), "more work");
    ws.remove("docs");
    ws.build([]).ran([]).restored(1);
    assert!(!ws.exists("docs/notes.md"), "git has it");
}

/// A task that declares no inputs depends on all that git has, wherever it lies.
#[test]
fn what_git_tracks_among_the_outputs_of_a_dependency_is_a_default_input() {
    let site = "[task.site]\ncommand = \"@ran(site); cat docs/*.md > site\"\ndeps = [\"docs\"]\noutputs = [\"site\"]\n";
    let ws = with_a_note(&format!("{DOCS}\n{site}"));
    git(&ws, "echo /site > .gitignore; git init -q . && git add docs/notes.md in && git commit -qm notes");
    ws.build([]).ran(["docs", "site"]).does_not_say("not stored");
    ws.build([]).ran([]);
    ws.write("docs/notes.md", "more work\n");
    ws.build([]).ran(["site"]);
    assert_eq!(ws.read("site"), "1\nmore work\n");
    ws.build([]).ran([]);
}

#[test]
fn a_stray_file_gets_into_no_other_clone_and_into_no_result_of_a_dependent() {
    let config = r#"
        cache.dir = "../store"
        [task.objs]
        command = "@ran(objs); mkdir -p build; echo a > build/a.o"
        inputs = []
        outputs = ["build/*.o"]
        [task.app]
        command = "@ran(app); cat build/*.o > app"
        deps = ["objs"]
        inputs = []
        outputs = ["app"]
    "#;
    let ws = Sandbox::new(config);
    ws.shell("cp -r . ../clone");
    ws.write("build/old.o", "stale\n");
    ws.build([]).ran(["objs", "app"]);
    ws.run(ws.command("../clone").arg("build")).ran(["objs", "app"]);
    assert_eq!(ws.shell("cat ../clone/app"), "a\n");
    assert_eq!(ws.shell("ls ../clone/build"), "a.o\n");
}

/// Whether the command has made it cannot be told.
#[test]
fn an_empty_directory_of_unknown_origin_keeps_the_result_from_being_stored() {
    let ws = Sandbox::new(
        "[task.a]\ncommand = \"@ran(a); mkdir -p out/logs; echo 1 > out/file\"\ninputs = []\noutputs = [\"out/\"]\n",
    );
    ws.build([]).ran(["a"]);
    ws.remove(".percache");
    ws.build([]).ran(["a"]).says(["`a` is not stored: `out/logs` was among its outputs before"]);
    ws.remove("out/logs");
    ws.build([]).ran(["a"]).does_not_say("not stored");
    ws.remove("out");
    ws.build([]).ran([]).restored(1);
    assert!(ws.exists("out/logs"));
}

#[test]
fn what_a_command_adds_to_a_file_of_unknown_origin_is_not_stored() {
    let ws = Sandbox::new(
        r#"
        [task.a]
        command = "@ran(a); mkdir -p out; cat in >> out/log"
        inputs = ["in"]
        outputs = ["out/*"]
        "#,
    );
    ws.write("in", "1\n");
    ws.write("out/log", "mine\n");
    ws.build([]).ran(["a"]).says(["`a` is not stored: `out/log` was there before", "added to it", "\"!out/log\""]);
    assert_eq!(ws.read("out/log"), "mine\n1\n", "the run had what was there");
    ws.build([]).ran(["a"]).does_not_say("not stored");
    assert_eq!((ws.read("out/log"), displaced(&ws)), ("1\n".to_owned(), vec!["out/log".to_owned()]));
    ws.build([]).ran([]);
    // The same after a removed store, when what an earlier run left is of unknown origin.
    ws.remove(".percache");
    ws.build([]).ran(["a"]).says(["not stored"]);
    ws.build([]).ran(["a"]).does_not_say("not stored");
    assert_eq!(ws.read("out/log"), "1\n");
    // Who says that it is theirs keeps it.
    ws.remove(".percache");
    ws.build(["--accept"]).ran(["a"]).does_not_say("not stored");
}

/// A clean checkout has it: a command that adds to it finds it, and it is not missing when the command fails.
#[test]
fn a_named_output_that_git_tracks_is_where_git_has_put_it() {
    let ws = Sandbox::new("[task.a]\ncommand = \"@ran(a); cat in >> out\"\ninputs = [\"in\"]\noutputs = [\"out\"]\n");
    ws.write("in", "1\n");
    ws.write("out", "committed\n");
    git(&ws, "git init -q . && git add out && git commit -qm out");
    ws.build([]).ran(["a"]).does_not_say("aside");
    assert_eq!(ws.read("out"), "committed\n1\n");
    ws.build([]).ran([]);
}

/// The same when the result comes from the store, and something runs that reads beside it.
#[test]
fn a_stray_file_beside_a_stored_result_counts_for_what_reads_it() {
    let config = |version: u8| {
        format!(
            r#"
            cache.dir = "../store"
            [task.objs]
            command = "@ran(objs); mkdir -p build; echo a > build/a.o"
            inputs = []
            outputs = ["build/*.o"]
            [task.app]
            command = "@ran(app); cat build/*.o > app; : {version}"
            deps = ["objs"]
            inputs = []
            outputs = ["app"]
            "#
        )
    };
    let ws = Sandbox::new(&config(1));
    ws.build([]).ran(["objs", "app"]);
    ws.config(&config(2));
    ws.shell("cp -r . ../clone && rm -r ../clone/build ../clone/app && mkdir ../clone/build && echo stale > ../clone/build/old.o");
    ws.run(ws.command("../clone").arg("build")).ran(["app"]);
    ws.build([]).ran(["app"]);
    assert_eq!(ws.read("app"), "a\n");
    // And when the task beside which it lies is not even looked at.
    ws.write("build/stray.o", "stale\n");
    ws.config(&config(3));
    ws.build([]).ran(["app"]);
    ws.remove("build/stray.o");
    ws.build([]).ran(["app"]);
    assert_eq!(ws.read("app"), "a\n");
}
