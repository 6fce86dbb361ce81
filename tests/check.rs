//! `build --check` and `check_rate`: commands that do not do the same twice are found, named, and their results not used any more.

use crate::sandbox::{Run, Sandbox};

/// One task that makes something else each time, one that does not, and one that reads what the first makes.
const TASKS: &str = r#"
    [task.good]
    command = "@ran(good); cat seed > out/good"
    inputs = ["seed"]
    outputs = ["out/good"]

    [task.stamp]
    command = "@ran(stamp); printf 'made\nat %s\n' $(date +%s%N) > out/stamp"
    inputs = ["seed"]
    outputs = ["out/stamp"]

    [task.use]
    command = "@ran(use); head -1 out/stamp > out/used"
    inputs = ["out/stamp"]
    outputs = ["out/used"]
"#;

fn built(config: &str) -> Sandbox {
    let ws = Sandbox::new(config);
    ws.write("seed", "1\n");
    ws.build([]).succeeds();
    ws
}

fn unstable(run: &Run) -> usize {
    run.count("unstable")
}

#[test]
fn a_task_that_does_the_same_twice_keeps_its_result() {
    let ws = built(TASKS);
    let run = ws.build(["--check", "good", "use"]).succeeds().reported(["good", "use"]);
    assert_eq!((run.count("checked"), run.count("up to date")), (2, 1), "{}", run.output());
    run.says(["checked    good", "checked    use"]);
    ws.build([]).ran([]).up_to_date(3);
    ws.remove("out");
    ws.build([]).ran([]).restored(3);
    ws.percache(["verify"]).succeeds().does_not_say("unstable");
}

#[test]
fn a_task_that_does_not_is_named_with_the_first_line_that_differs() {
    let ws = built(TASKS);
    let first = ws.read("out/stamp");
    let run = ws.build(["--check", "-j1"]).fails().reported(["good", "stamp", "use"]);
    assert_eq!((unstable(&run), run.count("checked")), (1, 1), "{}", run.output());
    let second = ws.read("out/stamp");
    assert_ne!(first, second, "the new output stays in the tree");
    let line = |text: &str| text.lines().nth(1).unwrap().to_owned();
    let (gone, new) = (format!("- {}", line(&first)), format!("+ {}", line(&second)));
    run.says(["unstable   stamp", "out/stamp differs from line 2 on", &gone, &new]);
}

#[test]
fn a_result_that_was_found_wrong_is_not_used_any_more() {
    let ws = built(TASKS);
    let first = ws.read("out/stamp");
    ws.build(["--check", "stamp"]).fails();
    ws.remove("out/stamp");
    ws.build(["stamp"]).ran(["stamp"]);
    assert_ne!(ws.read("out/stamp"), first);
    ws.build(["stamp"]).ran([]);
}

#[test]
fn other_worktrees_do_not_use_it_either() {
    let ws = Sandbox::empty();
    for directory in ["a", "b"] {
        let config = format!("[cache]\ndir = \"{}\"\n{TASKS}", ws.outside("store").display());
        ws.config_in(directory, &config);
        ws.write(&format!("{directory}/seed"), "1\n");
    }
    let build = |directory: &str, arguments: &[&str]| ws.run(ws.command(directory).arg("build").args(arguments));
    build("a", &[]).ran(["good", "stamp", "use"]);
    build("b", &[]).ran([]).restored(3);
    build("a", &["--check", "stamp"]).fails();
    build("b", &["stamp"]).ran(["stamp"]);
}

#[test]
fn verify_says_which_tasks_are_unstable_until_a_check_finds_them_stable() {
    let ws = built(TASKS);
    ws.build(["--check"]).fails();
    ws.percache(["verify"]).succeeds().says(["all whole", "unstable task `stamp`", "ago: `out/stamp`"]);
    ws.percache(["gc", "--maxage", "0"]).succeeds();
    ws.percache(["verify"]).says(["unstable task `stamp`"]);
    ws.edit_config("$(date +%s%N)", "noon");
    ws.build([]).succeeds();
    ws.percache(["verify"]).says(["unstable task `stamp`"]);
    ws.build(["--check"]).succeeds();
    ws.percache(["verify"]).succeeds().does_not_say("unstable");
}

#[test]
fn a_task_without_a_stored_result_runs_and_is_stored() {
    let ws = Sandbox::new(TASKS);
    ws.write("seed", "1\n");
    ws.build(["--check"]).ran(["good", "stamp", "use"]);
    ws.remove("out");
    ws.build([]).ran([]).restored(3);
    ws.write("seed", "2\n");
    ws.build(["--check", "good"]).ran(["good"]);
}

#[test]
fn everything_about_an_output_counts() {
    let task = |command: &str| {
        format!(
            "[task.t]\ncommand = '''@ran(t); mkdir out; n=$(cat ../count); echo x$n > ../count; {command}'''\ninputs = []\noutputs = [\"out/\"]\n"
        )
    };
    for (command, said) in [
        ("echo a > out/a; test $n = 1 || echo b > out/b", "out/b was not made, and is made now"),
        ("echo a > out/a; test $n != 1 || echo b > out/b", "out/b was made, and is not made now"),
        ("echo a > out/a; test $n = 1 || chmod +x out/a", "out/a was not executable, and is now"),
        ("ln -s $n out/l", "out/l pointed to `1`, and points to `x1` now"),
        ("test $n = 1 && mkdir out/d || echo a > out/d", "out/d was a directory, and is a file now"),
        ("printf 'ab\\0%s' $n > out/bin", "out/bin differs from byte 4 on"),
        ("seq 300000 > out/long; echo $n >> out/long", "out/long differs from byte 1988896 on"),
        ("echo $n; echo a > out/a", ""),
    ] {
        let ws = Sandbox::new(&task(command));
        ws.shell("echo 1 > ../count");
        ws.build([]).ran(["t"]);
        let run = ws.build(["--check"]).reported(["t"]);
        assert_eq!(unstable(&run), usize::from(!said.is_empty()), "{command}\n{}", run.output());
        run.says([said]);
    }
}

#[test]
fn a_command_that_fails_where_it_had_succeeded_is_not_trusted_either() {
    let ws = built("[task.t]\ncommand = \"@ran(t); [ ! -e ../flag ]\"\ninputs = []\n");
    ws.shell("touch ../flag");
    ws.build([]).ran([]);
    ws.build(["--check"]).fails().says(["failed     t", "`t` succeeded before, with the same inputs"]);
    ws.percache(["verify"]).succeeds().says(["unstable task `t`", "it failed where it had succeeded"]);
    ws.build([]).fails().reported(["t"]);
    ws.shell("rm ../flag");
    ws.build([]).ran(["t"]);
}

#[test]
fn a_share_of_one_checks_every_build_and_none_checks_none() {
    let ws = built(&format!("[cache]\ncheck_rate = 1\n{TASKS}"));
    let run = ws.build([]).fails().reported(["good", "stamp", "use"]);
    assert_eq!((unstable(&run), run.count("checked")), (1, 1), "{}", run.output());
    ws.build(["good"]).succeeds().reported(["good"]);
    ws.build(["good"]).succeeds().reported(["good"]);
    ws.edit_config("check_rate = 1", "check_rate = 0");
    ws.build([]).succeeds();
    for _ in 0..3 {
        ws.build([]).ran([]).up_to_date(3);
    }
}

#[test]
fn a_small_share_checks_some() {
    let tasks: String = (0..100).map(|n| format!("[task.t{n}]\ncommand = \"@ran(t); : {n}\"\ninputs = []\n")).collect();
    let ws = built(&format!("[cache]\ncheck_rate = 0.2\n{tasks}"));
    let run = ws.build([]).succeeds();
    // That chance does otherwise happens less than once in a million times.
    let checked = run.count("checked");
    assert!((2..=45).contains(&checked), "{checked} of 100");
    assert_eq!(run.commands.len(), checked);
    assert_eq!(run.count("up to date"), 100 - checked);
}

#[test]
fn a_task_with_a_depfile_is_compared_too() {
    let config = r#"
        [task.object]
        command = "@ran(object); cat a.c a.h > out/a.o; VARIES; echo 'out/a.o: a.c a.h' > dep"
        inputs = ["a.c"]
        outputs = ["out/a.o"]
        depfile = "dep"
    "#;
    for (what, unstable) in [("true", false), ("date +%N >> out/a.o", true)] {
        let ws = Sandbox::new(&config.replace("VARIES", what));
        ws.write("a.c", "c\n");
        ws.write("a.h", "h\n");
        ws.build([]).ran(["object"]);
        ws.write("a.h", "h2\n");
        ws.build([]).ran(["object"]);
        let run = ws.build(["--check"]).exits(i32::from(unstable)).reported(["object"]);
        assert_eq!((run.count("unstable"), run.count("checked")), (usize::from(unstable), usize::from(!unstable)));
        assert!(!ws.exists("dep"));
        if unstable {
            run.says(["out/a.o differs from line 3 on"]);
            ws.build([]).ran(["object"]);
        } else {
            ws.build([]).ran([]).up_to_date(1);
        }
        ws.write("a.h", "h\n");
        ws.build([]).ran([]).restored(1);
    }
}

#[test]
fn a_group_stands_for_what_it_groups_and_names_for_themselves() {
    let ws = built(&format!("[task.all]\ndeps = [\"good\", \"use\"]\n{TASKS}"));
    ws.build(["--check", "all"]).succeeds().reported(["good", "use"]);
    ws.build(["--check", "use"]).succeeds().reported(["use"]).up_to_date(1);
}

#[test]
fn what_reads_the_world_outside_is_not_checked() {
    let ws = built(
        "[task.t]\ncommand = \"@ran(t); date +%N > out/t\"\ninputs = []\noutputs = [\"out/t\"]\nvalid_for = \"1d\"\n",
    );
    ws.build(["--check"]).ran([]).up_to_date(1);
}

#[test]
fn an_input_that_changes_meanwhile_proves_nothing() {
    let ws = built(
        "[task.t]\ncommand = \"@ran(t); [ ! -e ../flag ] || echo 2 > seed; cat seed > out/t\"\ninputs = [\"seed\"]\noutputs = [\"out/t\"]\n",
    );
    ws.shell("touch ../flag");
    ws.build(["--check"]).ran(["t"]).says(["`t` is not checked", "while it ran"]);
    ws.percache(["verify"]).succeeds().does_not_say("unstable");
    ws.shell("rm ../flag; echo 1 > seed");
    ws.build([]).ran([]).restored(1);
}

#[test]
fn a_check_and_what_contradicts_it_are_refused() {
    let ws = built(TASKS);
    for other in ["--force", "-n", "--no-cache"] {
        ws.build(["--check", other]).exits(2).says(["`--check`", "do not go together"]);
    }
}
