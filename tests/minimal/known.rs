//! What is known to be unchanged is not looked at again, and whatever changed is.

use super::CHAIN;
use crate::sandbox::Sandbox;

/// `check` has no outputs; `use` depends on it, `free` does not.
const CHECKED: &str = r#"
    [task.check]
    command = "@ran(check); test -s src/a"
    inputs = ["src/a"]

    [task.use]
    command = "@ran(use); cat src/b > out/use"
    inputs = ["src/b"]
    outputs = ["out/use"]
    deps = ["group"]

    [task.group]
    deps = ["check"]

    [task.free]
    command = "@ran(free); cat src/b > out/free"
    inputs = ["src/b"]
    outputs = ["out/free"]
"#;

/// Long enough that stamps stand for what they were taken from, and tasks are known to be up to date by stamps alone.
fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(30));
}

/// A workspace in which all tasks are known to be up to date by stamps alone.
fn settled(config: &str) -> Sandbox {
    let ws = Sandbox::new(config);
    ws.write("src/a", "# comment\ntext\n");
    ws.write("src/b", "text\n");
    settle();
    ws.build([]).succeeds();
    settle();
    ws.build([]).ran([]);
    settle();
    ws
}

#[test]
fn what_depends_on_a_task_without_outputs_runs_again_even_when_that_ran_in_a_build_of_its_own() {
    let ws = settled(CHECKED);
    ws.write("src/a", "other\n");
    ws.build(["check"]).ran(["check"]);
    settle();
    ws.build(["free"]).ran([]).up_to_date(1);
    settle();
    ws.build([]).ran(["use"]).up_to_date(2);
    settle();
    // And back: everything is a hit, although what `use` depends on has another action key than in the build before.
    ws.write("src/a", "# comment\ntext\n");
    ws.build(["check"]).ran([]);
    settle();
    ws.build([]).ran([]).up_to_date(3);
}

#[test]
fn what_depends_on_outputs_runs_again_even_when_those_changed_in_a_build_of_their_own() {
    let ws = settled(CHAIN);
    ws.write("src/a", "other\n");
    ws.build(["compile"]).ran(["compile"]);
    settle();
    ws.build([]).ran(["link"]).up_to_date(1);
    assert_eq!(ws.read("out/c"), "other\nother\n");
}

#[test]
fn one_change_runs_one_task_and_leaves_the_others_alone() {
    let ws = settled(CHECKED);
    for text in ["1\n", "2\n", "3\n"] {
        ws.write("src/a", text);
        ws.build([]).ran(["check", "use"]).up_to_date(1);
    }
    settle();
    ws.build([]).ran([]).up_to_date(3);
    settle();
    ws.remove("out/use");
    ws.build([]).ran([]).up_to_date(2).restored(1);
    settle();
    ws.write("out/free", "spoilt");
    ws.build([]).ran([]).up_to_date(2).restored(1);
}

/// The journal is replaced by another file whenever it is written.
fn journal(ws: &Sandbox) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let worktree = std::fs::read_dir(ws.path(".percache/worktrees")).unwrap().next().unwrap().unwrap().path();
    std::fs::metadata(worktree.join("journal")).unwrap().ino()
}

#[test]
fn what_was_touched_is_read_and_known_from_then_on() {
    let ws = settled(CHAIN);
    // Nobody needs it: it would be missed.
    ws.rename(".percache/tail", "tail");
    for path in ["src/a", "out/b", "percache.toml"] {
        let before = journal(&ws);
        ws.touch(path);
        settle();
        ws.build([]).ran([]).up_to_date(2).does_not_say("warning");
        let known = journal(&ws);
        assert_ne!(known, before, "{path}");
        ws.build([]).ran([]).up_to_date(2).does_not_say("warning");
        assert_eq!(journal(&ws), known, "{path}");
    }
    ws.rename("tail", ".percache/tail");
    // Of the same length.
    ws.edit("src/a", "text", "Text");
    ws.build([]).ran(["compile", "link"]);
}

#[test]
fn what_ran_or_was_restored_is_known_without_another_look() {
    let ws = settled(CHAIN);
    ws.edit("src/a", "text", "other");
    ws.build([]).ran(["compile", "link"]);
    ws.remove("out/c");
    ws.build([]).ran([]).restored(1);
    ws.rename(".percache/tail", "tail");
    settle();
    ws.build([]).ran([]).up_to_date(2).does_not_say("warning");
    let known = journal(&ws);
    ws.build([]).ran([]).up_to_date(2);
    assert_eq!(journal(&ws), known);
    // Their contents were compared, and not only that they are there.
    ws.rename("tail", ".percache/tail");
    ws.remove("out/c");
    ws.build([]).restored(1);
    ws.write("out/c", "spoilt\nspoil\n");
    ws.build([]).ran([]).restored(1);
}

#[test]
fn what_a_command_changes_besides_its_outputs_is_seen_by_those_that_need_it() {
    let ws = settled(
        r#"
            [task.first]
            command = "@ran(first); cat src/a > src/made; cat src/a > out/first"
            inputs = ["src/a"]
            outputs = ["out/first"]

            [task.second]
            command = "@ran(second); cat src/made > out/second"
            inputs = ["src/made"]
            outputs = ["out/second"]
            deps = ["group"]

            [task.group]
            deps = ["between"]

            [task.between]
            command = "@ran(between)"
            inputs = []
            deps = ["first"]
        "#,
    );
    for text in ["one\n", "two\n"] {
        ws.write("src/a", text);
        settle();
        ws.build([]).succeeds();
        assert_eq!(ws.read("out/second"), text);
        settle();
        ws.build([]).ran([]).up_to_date(3);
        settle();
    }
}

#[test]
fn a_directory_that_was_put_back_is_missed_when_it_is_gone_again() {
    let ws = settled(
        r#"
            [task.tree]
            command = "@ran(tree); mkdir -p out/tree/empty; ln -s $(head -c 1 src/b) out/tree/link"
            inputs = ["src/b"]
            outputs = ["out/tree"]
        "#,
    );
    for gone in ["out/tree", "out/tree/empty", "out/tree/link"] {
        for _ in 0..2 {
            ws.remove(gone);
            ws.build([]).ran([]).restored(1);
        }
        settle();
        ws.build([]).ran([]).up_to_date(1);
        ws.write("src/b", gone.replace('/', "-"));
        ws.build([]);
        ws.remove(gone);
        ws.build([]).ran([]).restored(1);
    }
}

#[test]
fn what_one_edit_left_alone_is_not_looked_at_even_when_it_was_touched() {
    let ws = settled(CHECKED);
    ws.touch("src/b");
    ws.write("src/a", "1\n");
    settle();
    ws.build([]).ran(["check", "use"]).up_to_date(1);
    settle();
    ws.build(["-v"]).ran([]).up_to_date(3);
    let known = journal(&ws);
    ws.build([]).ran([]).up_to_date(3);
    assert_eq!(journal(&ws), known);
}

#[test]
fn a_new_file_that_a_pattern_matches_is_seen_whatever_else_happens_in_its_directory() {
    let ws = settled(
        r#"
        [task.all]
        command = "@ran(all); cat parts/*.in > out/all 2>&1 || true"
        inputs = ["parts/*.in"]
        outputs = ["out/all"]

        [task.beside]
        command = "@ran(beside); cat src/b > parts/beside.txt"
        inputs = ["src/b"]
        outputs = ["parts/beside.txt"]

        [task.after]
        command = "@ran(after); cat parts/*.txt > out/after"
        inputs = ["parts/*.txt"]
        outputs = ["out/after"]
        "#,
    );
    // The directory changes, and is looked at, in a build that has nothing to do with `all`.
    ws.write("src/b", "other\n");
    ws.write("parts/new.in", "new\n");
    ws.build(["after"]).ran(["beside", "after"]);
    settle();
    ws.build(["after"]).ran([]);
    settle();
    ws.build([]).ran(["all"]);
    assert_eq!(ws.read("out/all"), "new\n");
}

#[test]
fn another_store_knows_nothing_of_what_this_one_holds() {
    let ws = settled(&format!("[cache]\ndir = 'one'\n{CHAIN}"));
    ws.edit_config("'one'", "'two'");
    ws.build([]).ran(["compile", "link"]).does_not_say("warning");
    settle();
    ws.edit_config("dir = 'two'", "");
    ws.build([]).ran(["compile", "link"]).does_not_say("warning");
    settle();
    ws.edit_config("[cache]", "[cache]\ndir = 'three'");
    ws.build([]).ran(["compile", "link"]).does_not_say("warning");
    ws.remove("out");
    ws.build([]).ran([]).restored(2).does_not_say("warning");
}
