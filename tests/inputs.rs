//! Which files are inputs: patterns, directories, exclusions, and what applies when `inputs` is left out.

use crate::sandbox::Sandbox;

fn listing(inputs: &str) -> Sandbox {
    let ws = Sandbox::new(&format!(
        "[task.list]\ncommand = \"@ran(list); find . -type f | sort > out/list\"\noutputs = [\"out/list\"]\n{inputs}"
    ));
    for path in ["a.c", "a.h", "src/b.c", "src/draft/c.c", ".hidden/d.c"] {
        ws.write(path, path);
    }
    ws.build([]).ran(["list"]);
    ws
}

/// Whether a change of that file runs the task.
fn counts(ws: &Sandbox, path: &str) -> bool {
    let before = std::fs::read(ws.path(path)).ok();
    ws.write(path, "changed");
    let ran = ws.build([]).succeeds().commands == ["list"];
    match before {
        Some(text) => ws.write(path, text),
        None => ws.remove(path),
    }
    ws.build([]).succeeds();
    ran
}

#[test]
fn patterns_are_evaluated_in_order_and_an_exclamation_mark_takes_away() {
    let ws = listing(r#"inputs = ["**/*.c", "!src/**", "src/draft/c.c"]"#);
    let changes = ["a.c", ".hidden/d.c", "src/draft/c.c"].map(|path| counts(&ws, path));
    assert_eq!(changes, [true; 3]);
    let changes = ["a.h", "src/b.c", "src/draft/other.c"].map(|path| counts(&ws, path));
    assert_eq!(changes, [false; 3]);
}

#[test]
fn a_directory_means_everything_below_it() {
    for pattern in ["src", "src/", "s*c"] {
        let ws = listing(&format!("inputs = [\"{pattern}\"]"));
        assert!(counts(&ws, "src/b.c") && counts(&ws, "src/draft/new/file"), "{pattern}");
        assert!(!counts(&ws, "a.c"), "{pattern}");
    }
}

#[test]
fn an_empty_list_means_no_input() {
    let ws = listing("inputs = []");
    assert!(!counts(&ws, "a.c") && !counts(&ws, "src/b.c"));
}

#[test]
fn left_out_it_means_every_file_that_git_would_not_ignore_less_outputs_and_the_store() {
    let ws = listing("");
    assert!(counts(&ws, "a.c") && counts(&ws, "src/draft/c.c") && counts(&ws, ".hidden/d.c") && counts(&ws, "new"));
    ws.write(".gitignore", "*.log\n/ignored/\n");
    ws.write("src/.gitignore", "draft\n!keep.log\n");
    ws.build([]).ran(["list"]);
    assert!(
        !counts(&ws, "x.log")
            && !counts(&ws, "src/y.log")
            && !counts(&ws, "ignored/z")
            && !counts(&ws, "src/draft/c.c")
    );
    assert!(counts(&ws, "src/keep.log") && counts(&ws, ".gitignore"));
    ws.build([]).ran([]).up_to_date(1);
}

#[test]
fn left_out_in_a_git_repository_its_own_excludes_count_too() {
    let ws = listing("");
    ws.shell("git init -q . && echo excluded > .git/info/exclude");
    ws.build([]).succeeds();
    assert!(!counts(&ws, "excluded"));
    assert!(counts(&ws, "a.c"));
    ws.shell("git add -A && git -c user.name=n -c user.email=e commit -qm m && git checkout -q -b other");
    ws.build([]).ran([]).up_to_date(1);
}

#[test]
fn left_out_every_tasks_outputs_are_no_inputs() {
    let ws = Sandbox::new(
        r#"
            [task.one]
            command = "@ran(one); date +%N > generated"
            inputs = []
            outputs = ["generated"]

            [task.two]
            command = "@ran(two); ls > listing"
            outputs = ["listing"]
        "#,
    );
    ws.write("source", "1");
    ws.build([]).ran(["one", "two"]);
    ws.build([]).ran([]).up_to_date(2);
    ws.write("source", "2");
    ws.build([]).ran(["two"]);
}

#[test]
fn left_out_in_a_member_it_means_the_members_directory() {
    let ws = Sandbox::new("[workspace]\nmembers = [\"pkg\"]\n");
    ws.config_in("pkg", "[task.list]\ncommand = \"@ran(list)\"");
    ws.write("pkg/inside", "1");
    ws.write("outside", "1");
    ws.build([]).ran(["list"]);
    ws.write("outside", "2");
    ws.build([]).ran([]);
    ws.write("pkg/inside", "2");
    ws.build([]).ran(["list"]);
}

#[test]
fn a_symlink_among_the_inputs_counts_by_what_a_command_reads_through_it() {
    let ws = Sandbox::new(
        "[task.read]\ncommand = \"@ran(read); cat link > out/read\"\ninputs = [\"link\"]\noutputs = [\"out/read\"]",
    );
    ws.write("one", "1");
    ws.write("two", "2");
    ws.symlink("one", "link");
    ws.build([]).ran(["read"]);
    ws.write("one", "changed");
    ws.build([]).ran(["read"]);
    assert_eq!(ws.read("out/read"), "changed");
    ws.remove("link");
    ws.symlink("two", "link");
    ws.build([]).ran(["read"]);
    assert_eq!(ws.read("out/read"), "2");
}

#[test]
fn the_executable_bit_of_an_input_counts() {
    let ws = Sandbox::new(
        "[task.run]\ncommand = \"@ran(run); if [ -x tool ]; then echo yes; fi > out/run\"\ninputs = [\"tool\"]\noutputs = [\"out/run\"]",
    );
    ws.write("tool", "");
    ws.build([]).ran(["run"]);
    ws.set_mode("tool", 0o755);
    ws.build([]).ran(["run"]);
    assert_eq!(ws.read("out/run"), "yes\n");
}

#[test]
fn a_discovered_input_that_another_task_makes_needs_a_dependency_on_it() {
    let config = |deps: &str| {
        format!(
            r#"
                [task.gen]
                command = "@ran(gen); cat template > gen.h"
                inputs = ["template"]
                outputs = ["gen.h"]

                [task.use]
                command = "@ran(use); cat gen.h > out/use; echo 'out/use: gen.h' > dep/use.d"
                inputs = []
                outputs = ["out/use"]
                depfile = "dep/use.d"
                {deps}
            "#
        )
    };
    let ws = Sandbox::new(&config("deps = [\"gen\"]"));
    ws.write("template", "1");
    ws.build([]).ran(["gen", "use"]);
    ws.write("template", "2");
    ws.build([]).ran(["gen", "use"]);
    ws.config(&config(""));
    ws.write("template", "3");
    ws.build(["gen"]).ran(["gen"]);
    ws.build(["use"]).fails().says(["gen.h", "gen"]);
}
