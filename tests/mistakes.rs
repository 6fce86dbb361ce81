//! Mistakes in a configuration: all are found before anything runs, each with its place, the offending text, and a hint.

use crate::sandbox::{Run, Sandbox};

/// The outcome of building with a configuration that has a mistake.
fn build(config: &str) -> Run {
    Sandbox::new(config).build([]).exits(2).reported([]).does_not_say("panicked")
}

/// The offending text is underlined: the line above the carets has it right above them.
fn underlines(run: &Run, text: &str) {
    let output = run.output();
    let lines: Vec<&str> = output.lines().collect();
    let underlined = lines.windows(2).any(|pair| {
        let [source, marks] = pair else { return false };
        let Some(start) = marks.find('^') else { return false };
        let length = marks[start..].chars().take_while(|mark| *mark == '^').count();
        source.get(start..start + length) == Some(text)
    });
    assert!(underlined, "`{text}` is not underlined in\n{output}");
}

#[test]
fn an_unknown_dependency_in_the_form_that_the_manual_shows() {
    let run =
        build("[task.codegen]\ncommand = \"true\"\n\n[task.build]\ncommand = \"@ran(build)\"\ndeps = [\"codgen\"]\n");
    let run = run.says([
        "error: task `build` depends on a task that does not exist",
        "percache.toml:6:9",
        "hint:",
        "codegen",
    ]);
    underlines(&run, "\"codgen\"");
}

#[test]
fn unknown_keys_with_the_nearest_name() {
    let run = build("[task.a]\ncomand = \"true\"\n").says(["percache.toml:2:1", "comand", "command"]);
    underlines(&run, "comand");
    build("[workspce]\nmembers = []\n").says(["workspce", "workspace"]);
    build("[cache]\nmax_age = \"1d\"\n").says(["max_age", "maxage"]);
}

#[test]
fn wrong_types_and_values() {
    let run = build("[task.a]\ncommand = \"true\"\nretries = \"many\"\n").says(["percache.toml:3:11"]);
    underlines(&run, "\"many\"");
    build("[task.a]\ncommand = 7\n").says(["percache.toml:2:11"]);
    build("[task.a]\ncommand = \"true\"\ntimeout = \"soon\"\n").says(["percache.toml:3:11", "soon"]);
    build("[cache]\nmaxsize = \"big\"\n").says(["percache.toml:2:11", "big"]);
    build("[pools]\nheavy = 0\n").says(["percache.toml:2:9"]);
    build("[task.a]\ncommand = \"true\"\ninputs = [\"a\", \"src/[\"]\n").says(["percache.toml:3:16", "src/["]);
    build("[task.a]\ncommand = \"true\"\npool = \"hevy\"\n[pools]\nheavy = 1\n").says(["hevy", "heavy"]);
}

#[test]
fn broken_toml() {
    build("[task.a\ncommand = \"true\"\n").says(["percache.toml:1:"]);
    build("[task.a]\ncommand = \"true\"\ncommand = \"false\"\n").says(["percache.toml:3:", "command"]);
}

#[test]
fn all_mistakes_of_all_files_in_one_go() {
    let ws = Sandbox::new("[workspace]\nmembers = [\"pkg\"]\n[task.a]\ncomand = \"true\"\nretries = \"x\"\n");
    ws.config_in("pkg", "[task.b]\ncommand = \"true\"\noutput = [\"x\"]\n");
    ws.build([]).exits(2).says(["comand", "retries", "pkg/percache.toml:3:1", "output"]);
}

#[test]
fn a_cycle_is_printed_whole() {
    let task = |name: &str, dep: &str| format!("[task.{name}]\ncommand = \"true\"\ninputs = []\ndeps = [\"{dep}\"]\n");
    let run = build(&(task("egg", "hen") + &task("hen", "chick") + &task("chick", "egg")));
    run.says(["chick` → `egg` → `hen` → `chick"]);
}

#[test]
fn a_cycle_through_inputs_and_outputs_is_one_too() {
    let task = |name: &str, input: &str, output: &str| {
        format!("[task.{name}]\ncommand = \"true\"\ninputs = [\"{input}\"]\noutputs = [\"{output}\"]\n")
    };
    build(&(task("one", "b", "a") + &task("two", "a", "b"))).says(["one` → `two` → `one", "`one` reads `b`"]);
}

#[test]
fn two_owners_of_one_output_are_both_named() {
    let task = |name: &str, output: &str| {
        format!("[task.{name}]\ncommand = \"true\"\ninputs = []\noutputs = [\"{output}\"]\n")
    };
    build(&(task("one", "out/x") + &task("two", "out/x"))).says(["out/x", "one", "two"]);
    build(&(task("one", "out") + &task("two", "out/deep/x"))).says(["one", "two"]);
}

#[test]
fn two_files_of_a_foreach_that_make_one_output() {
    let ws = Sandbox::new("[task.each]\nforeach = \"src/**/*.c\"\ncommand = \"true\"\noutputs = [\"out/{stem}.o\"]\n");
    ws.write("src/a/x.c", "");
    ws.write("src/b/x.c", "");
    ws.build([]).exits(2).says(["src/a/x.c", "src/b/x.c", "out/x.o"]);
}

#[test]
fn an_output_that_is_also_an_input() {
    build("[task.a]\ncommand = \"true\"\ninputs = [\"src/*\"]\noutputs = [\"src/gen.c\"]\n").says(["src/gen.c"]);
}

#[test]
fn paths_that_leave_the_workspace() {
    for path in ["../x", "/etc/passwd", "a/../../x"] {
        build(&format!("[task.a]\ncommand = \"true\"\noutputs = [\"{path}\"]\n")).says([path, "percache.toml:3:12"]);
        build(&format!("[task.a]\ncommand = \"true\"\ninputs = [\"{path}\"]\n")).says([path, "percache.toml:3:11"]);
    }
}

#[test]
fn a_placeholder_one_typo_away() {
    let run = Sandbox::new("[task.a]\nforeach = \"src/*\"\ncommand = \"cat {flie}\"\n").build([]).exits(2);
    let run = run.says(["{flie}", "{file}"]);
    underlines(&run, "{flie}");
}

#[test]
fn a_member_that_is_not_there() {
    build("[workspace]\nmembers = [\"no-such\"]\n").says(["percache.toml:2:12", "no-such"]);
}

#[test]
fn columns_count_characters_not_bytes() {
    build("[task.a]\ncommand = \"true\"\ndescription = \"größer\"\ndeps = [\"größer\", \"nö\"]\n")
        .says(["percache.toml:4:19"]);
}
