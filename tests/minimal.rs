//! Minimal: a command runs only if its action key is in no result of the store.

mod known;

use crate::sandbox::Sandbox;

/// `compile` makes out/b from src/a, leaving out lines of comments; `link` makes out/c from that.
const CHAIN: &str = r#"
    [task.compile]
    command = "@ran(compile); grep -v '^#' src/a > out/b"
    inputs = ["src/a"]
    outputs = ["out/b"]

    [task.link]
    command = "@ran(link); cat out/b out/b > out/c"
    inputs = ["out/b"]
    outputs = ["out/c"]
"#;

fn chain() -> Sandbox {
    let ws = Sandbox::new(CHAIN);
    ws.write("src/a", "# comment\ntext\n");
    ws.build([]).ran(["compile", "link"]);
    ws
}

#[test]
fn nothing_changed_runs_nothing_and_writes_nothing() {
    let ws = chain();
    let before = ws.modified("out/c");
    ws.build([]).ran([]).up_to_date(2).restored(0);
    assert_eq!(ws.modified("out/c"), before);
}

#[test]
fn a_changed_time_runs_nothing() {
    let ws = chain();
    ws.touch("src/a");
    ws.touch("out/b");
    ws.touch("percache.toml");
    ws.build([]).ran([]).up_to_date(2);
}

#[test]
fn the_same_content_written_anew_runs_nothing() {
    let ws = chain();
    let text = ws.read("src/a");
    ws.remove("src/a");
    ws.write("src/a", text);
    ws.build([]).ran([]).up_to_date(2);
}

#[test]
fn outputs_that_come_out_the_same_end_the_rebuild() {
    let ws = chain();
    ws.edit("src/a", "# comment", "# another comment");
    ws.build([]).ran(["compile"]).up_to_date(1);
}

#[test]
fn an_edit_taken_back_is_a_hit() {
    let ws = chain();
    ws.edit("src/a", "text", "other");
    ws.build([]).ran(["compile", "link"]);
    ws.edit("src/a", "other", "text");
    ws.build([]).ran([]).restored(2);
    assert_eq!(ws.read("out/c"), "text\ntext\n");
}

#[test]
fn going_back_and_forth_stays_a_hit() {
    let ws = chain();
    ws.edit("src/a", "text", "other");
    ws.build([]).ran(["compile", "link"]);
    for (old, new) in [("other", "text"), ("text", "other"), ("other", "text")] {
        ws.edit("src/a", old, new);
        ws.build([]).ran([]).restored(2);
    }
}

#[test]
fn an_edit_of_the_same_length_and_time_is_seen() {
    let ws = chain();
    let time = ws.modified("src/a");
    ws.edit("src/a", "text", "tOxt");
    let file = std::fs::File::options().append(true).open(ws.path("src/a")).unwrap();
    file.set_modified(time).unwrap();
    ws.build([]).ran(["compile", "link"]);
}

#[test]
fn a_file_replaced_by_an_older_one_is_seen() {
    let ws = chain();
    ws.write("older", "old text\n");
    let file = std::fs::File::options().append(true).open(ws.path("older")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
    ws.rename("older", "src/a");
    ws.build([]).ran(["compile", "link"]);
}

#[test]
fn a_renamed_task_runs_nothing() {
    let ws = chain();
    ws.edit_config("[task.compile]", "[task.translate]");
    ws.build([]).ran([]).up_to_date(2);
}

#[test]
fn a_renamed_explicit_dependency_runs_nothing() {
    let ws = Sandbox::new(
        r#"
            [task.first]
            command = "@ran(first); echo 1 > out/1"
            inputs = []
            outputs = ["out/1"]

            [task.second]
            command = "@ran(second); cat out/1 > out/2"
            inputs = []
            outputs = ["out/2"]
            deps = ["first"]
        "#,
    );
    ws.build([]).ran(["first", "second"]);
    ws.edit_config("[task.first]", "[task.primero]");
    ws.edit_config(r#"["first"]"#, r#"["primero"]"#);
    ws.build([]).ran([]).up_to_date(2);
}

#[test]
fn the_order_of_the_file_and_comments_run_nothing() {
    let ws = chain();
    let (compile, link) = CHAIN.split_at(CHAIN.find("[task.link]").unwrap());
    ws.config(&format!("# new\n{link}\n{compile}"));
    ws.build([]).ran([]).up_to_date(2);
}

#[test]
fn description_timeout_and_pool_run_nothing() {
    let ws = chain();
    ws.edit_config(
        "[task.compile]",
        "[pools]\nheavy = 1\n[task.compile]\ndescription = \"d\"\ntimeout = \"9m\"\npool = \"heavy\"",
    );
    ws.build([]).ran([]).up_to_date(2);
}

#[test]
fn a_changed_command_runs() {
    let ws = chain();
    ws.edit_config("cat out/b out/b", "cat out/b");
    ws.build([]).ran(["link"]).up_to_date(1);
    ws.edit_config("cat out/b", "cat out/b out/b");
    ws.build([]).ran([]).restored(1);
}

#[test]
fn a_dependency_without_outputs_counts_by_its_action_key() {
    let ws = Sandbox::new(
        r#"
            [task.check]
            command = "@ran(check); test -s rules"
            inputs = ["rules"]

            [task.use]
            command = "@ran(use); echo used > out/use"
            inputs = []
            outputs = ["out/use"]
            deps = ["check"]
        "#,
    );
    ws.write("rules", "1");
    ws.build([]).ran(["check", "use"]);
    ws.build([]).ran([]).up_to_date(2);
    ws.write("rules", "2");
    ws.build([]).ran(["check", "use"]);
    ws.write("rules", "1");
    ws.build([]).ran([]);
}

#[test]
fn all_outputs_of_an_explicit_dependency_are_inputs_of_an_inferred_one_those_that_match() {
    let ws = Sandbox::new(
        r#"
            [task.gen]
            command = "@ran(gen); cat src/x > out/x.h; cat src/y > out/y.h"
            inputs = ["src/*"]
            outputs = ["out/x.h", "out/y.h"]

            [task.explicit]
            command = "@ran(explicit); cat out/x.h > out/explicit"
            inputs = []
            outputs = ["out/explicit"]
            deps = ["gen"]

            [task.inferred]
            command = "@ran(inferred); cat out/x.h > out/inferred"
            inputs = ["out/x.h"]
            outputs = ["out/inferred"]
        "#,
    );
    ws.write("src/x", "x");
    ws.write("src/y", "y");
    ws.build([]).ran(["explicit", "gen", "inferred"]);
    ws.write("src/y", "Y");
    ws.build([]).ran(["explicit", "gen"]).up_to_date(1);
    ws.write("src/x", "X");
    ws.build([]).ran(["explicit", "gen", "inferred"]);
}

#[test]
fn unrelated_files_run_nothing() {
    let ws = chain();
    ws.write("README", "text");
    ws.write("src/unrelated", "text");
    ws.build([]).ran([]).up_to_date(2);
}

#[test]
fn a_file_among_the_inputs_that_is_renamed_is_a_change() {
    let ws = Sandbox::new(
        r#"
            [task.names]
            command = "@ran(names); ls src > out/names"
            inputs = ["src"]
            outputs = ["out/names"]
        "#,
    );
    ws.write("src/a", "1");
    ws.build([]).ran(["names"]);
    ws.rename("src/a", "src/b");
    ws.build([]).ran(["names"]);
    assert_eq!(ws.read("out/names"), "b\n");
    ws.rename("src/b", "src/a");
    ws.build([]).ran([]).restored(1);
}
