//! What a command sees of the environment, and which of it counts.

use crate::sandbox::{Run, Sandbox};

fn build_with(ws: &Sandbox, variables: &[(&str, &str)]) -> Run {
    ws.run(ws.command("").arg("build").envs(variables.iter().copied()))
}

fn printing(keys: &str) -> Sandbox {
    Sandbox::new(&format!(
        "[task.print]\ncommand = \"@ran(print); env | sort > out/env\"\ninputs = []\noutputs = [\"out/env\"]\n{keys}"
    ))
}

fn value(ws: &Sandbox, name: &str) -> Option<String> {
    let text = ws.read("out/env");
    text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")).map(str::to_owned))
}

#[test]
fn only_a_small_base_is_seen() {
    let ws = printing("");
    build_with(&ws, &[("SECRET", "s"), ("CARGO_HOME", "/c"), ("TZ", "UTC"), ("USER", "me")]).ran(["print"]);
    assert_eq!(value(&ws, "SECRET"), None);
    assert_eq!(value(&ws, "CARGO_HOME"), None);
    assert_eq!(value(&ws, "TZ").as_deref(), Some("UTC"));
    assert_eq!(value(&ws, "USER").as_deref(), Some("me"));
    assert!(value(&ws, "PATH").is_some() && value(&ws, "HOME").is_some());
}

#[test]
fn of_the_base_language_and_time_zone_count() {
    let ws = printing("");
    build_with(&ws, &[("LANG", "C"), ("TZ", "UTC"), ("USER", "me"), ("TERM", "x")]).ran(["print"]);
    build_with(&ws, &[("LANG", "C"), ("TZ", "UTC"), ("USER", "you"), ("TERM", "y"), ("OTHER", "1")]).ran([]);
    build_with(&ws, &[("LANG", "C"), ("TZ", "CET")]).ran(["print"]);
    build_with(&ws, &[("LANG", "de_DE.UTF-8"), ("TZ", "UTC")]).ran(["print"]);
    build_with(&ws, &[("LANG", "C"), ("TZ", "UTC"), ("LC_ALL", "C")]).ran(["print"]);
    build_with(&ws, &[("LANG", "C"), ("TZ", "UTC")]).ran([]);
}

#[test]
fn env_is_set_and_counts_the_tasks_own_over_the_workspaces() {
    let ws = printing("env = { A = \"task\" }\n[workspace]\nenv = { A = \"workspace\", B = \"workspace\" }");
    ws.build([]).ran(["print"]);
    assert_eq!(value(&ws, "A").as_deref(), Some("task"));
    assert_eq!(value(&ws, "B").as_deref(), Some("workspace"));
    ws.edit_config("B = \"workspace\"", "B = \"changed\"");
    ws.build([]).ran(["print"]);
    assert_eq!(value(&ws, "B").as_deref(), Some("changed"));
}

#[test]
fn env_from_is_taken_from_the_caller_and_counts_by_name_or_glob() {
    let ws = printing("env_from = [\"CC\", \"MY_*\"]");
    build_with(&ws, &[("CC", "gcc"), ("MY_A", "1")]).ran(["print"]);
    assert_eq!(value(&ws, "CC").as_deref(), Some("gcc"));
    assert_eq!(value(&ws, "MY_A").as_deref(), Some("1"));
    build_with(&ws, &[("CC", "gcc"), ("MY_A", "1"), ("OTHER", "x")]).ran([]);
    build_with(&ws, &[("CC", "clang"), ("MY_A", "1")]).ran(["print"]);
    build_with(&ws, &[("CC", "gcc"), ("MY_A", "1"), ("MY_B", "2")]).ran(["print"]);
    build_with(&ws, &[("CC", "gcc")]).ran(["print"]);
    // Unset is not empty.
    build_with(&ws, &[("CC", "")]).ran(["print"]);
    build_with(&ws, &[]).ran(["print"]);
    build_with(&ws, &[("CC", "gcc"), ("MY_A", "1")]).ran([]).restored(1);
}

#[test]
fn env_pass_is_seen_and_does_not_count() {
    let ws = printing("env_pass = [\"TOKEN\"]");
    build_with(&ws, &[("TOKEN", "1")]).ran(["print"]);
    assert_eq!(value(&ws, "TOKEN").as_deref(), Some("1"));
    build_with(&ws, &[("TOKEN", "2")]).ran([]).up_to_date(1);
    build_with(&ws, &[]).ran([]).up_to_date(1);
}

#[test]
fn env_file_is_set_and_counts() {
    let ws = printing("env_file = [\".env\", \"more.env\"]\nenv = { C = \"config\" }");
    ws.write(".env", "# comment\nA=1\nexport B='two words'\nC=file\n");
    ws.write("more.env", "A=2\n");
    ws.build([]).ran(["print"]);
    let values = ["A", "B", "C"].map(|name| value(&ws, name).unwrap_or_default());
    assert_eq!(values, ["2", "two words", "config"]);
    ws.build([]).ran([]);
    ws.edit("more.env", "A=2", "A=3");
    ws.build([]).ran(["print"]);
    ws.edit("more.env", "A=3", "A=2");
    ws.build([]).ran([]).restored(1);
}

#[test]
fn no_value_of_a_variable_lies_in_the_store_in_clear() {
    let ws = Sandbox::new("[task.quiet]\ncommand = \"@ran(quiet)\"\ninputs = []\nenv_from = [\"TOKEN\"]");
    build_with(&ws, &[("TOKEN", "hunter2-secret")]).ran(["quiet"]);
    let found = ws.shell("grep -rl hunter2-secret .percache || true");
    assert_eq!(found, "", "the value is in the clear");
}

#[test]
fn a_tools_output_counts_and_each_tool_runs_once_per_build() {
    let ws = Sandbox::new(
        r#"
            [task.one]
            command = "@ran(one)"
            inputs = []
            tools = ["@ran(tool); cat version"]

            [task.two]
            command = "@ran(two)"
            inputs = []
            tools = ["@ran(tool); cat version"]
        "#,
    );
    ws.write("version", "1.0");
    ws.build([]).reported(["one", "tool", "two"]);
    ws.write("version", "2.0");
    ws.build([]).reported(["one", "tool", "two"]);
    ws.write("version", "1.0");
    assert_eq!(ws.build([]).succeeds().count("ran"), 0);
}

#[test]
fn a_tool_that_fails_fails_its_task() {
    let ws = Sandbox::new("[task.one]\ncommand = \"@ran(one)\"\ninputs = []\ntools = [\"no-such-tool --version\"]");
    ws.build([]).fails().reported([]).says(["no-such-tool"]);
}

#[test]
fn the_command_runs_in_cwd_and_its_paths_are_still_those_of_the_file() {
    let ws = Sandbox::new(
        r#"
            [task.there]
            command = "@ran(there); pwd | sed 's,.*/,,' > ../out/where; cat a >> ../out/where"
            inputs = ["sub/a"]
            outputs = ["out/where"]
            cwd = "sub"
        "#,
    );
    ws.write("sub/a", "text\n");
    ws.build([]).ran(["there"]);
    assert_eq!(ws.read("out/where"), "sub\ntext\n");
}

#[test]
fn standard_input_is_closed() {
    let ws =
        Sandbox::new("[task.read]\ncommand = \"@ran(read); cat > out/read\"\ninputs = []\noutputs = [\"out/read\"]");
    let mut command = ws.command("");
    command.arg("build").stdin(std::process::Stdio::piped());
    ws.run(&mut command).ran(["read"]);
    assert_eq!(ws.read("out/read"), "");
}

#[test]
fn proxies_are_seen_and_do_not_count() {
    let ws = printing("");
    build_with(&ws, &[("HTTPS_PROXY", "http://proxy:3128"), ("no_proxy", "localhost"), ("MY_PROXY", "x")])
        .ran(["print"]);
    assert_eq!(value(&ws, "HTTPS_PROXY").as_deref(), Some("http://proxy:3128"));
    assert_eq!(value(&ws, "no_proxy").as_deref(), Some("localhost"));
    assert_eq!(value(&ws, "MY_PROXY"), None);
    build_with(&ws, &[("https_proxy", "http://other:8080")]).ran([]).up_to_date(1);
}

#[test]
fn a_variable_that_a_failed_command_may_have_missed_is_named() {
    let ws = Sandbox::new(
        r#"
            [task.library]
            command = "echo error while loading shared libraries: libfoo.so; exit 127"
            inputs = []

            [task.script]
            command = '[ -n "$TOKEN" ] || exit 3'
            inputs = []

            [task.unrelated]
            command = "echo assertion failed; exit 1"
            inputs = []
        "#,
    );
    let variables = [("LD_LIBRARY_PATH", "/opt/lib"), ("TOKEN", "hunter2"), ("CARGO_HOME", "/c")];
    let mut command = ws.command("");
    command.args(["build", "-k"]).envs(variables);
    let run = ws.run(&mut command).fails();
    run.says([
        "your environment has LD_LIBRARY_PATH, which the command does not see: `env_pass = [\"LD_LIBRARY_PATH\"]`",
        "your environment has TOKEN, which the command does not see",
    ])
    .does_not_say("CARGO_HOME")
    .does_not_say("hunter2");
    // What the task gets is not what it misses.
    ws.edit_config("[task.script]", "[task.script]\nenv_pass = [\"TOKEN\"]");
    ws.run(&mut command).fails().does_not_say("has TOKEN");
    let mut command = ws.command("");
    ws.run(command.args(["build", "-f", "script"])).fails().does_not_say("your environment");
    let mut command = ws.command("");
    command.args(["exec", "--", "sh", "-c", "echo no TOKEN; exit 3"]).envs(variables);
    ws.run(&mut command).exits(3).says(["`--env-pass TOKEN` passes it on"]);
}

/// Files as editors on other systems leave them.
#[test]
fn carriage_returns_at_the_ends_of_lines_reach_no_command_and_change_no_fingerprint() {
    let config = "[task.print]\ncommand = \"\"\"\n@ran(print)\nprintf %s \"$A\" > out/a\nprintf x >> out/a\n\"\"\"\ninputs = []\noutputs = [\"out/a\"]\nenv_file = [\".env\"]\nenv = { B = \"\"\"1\n2\"\"\" }\n";
    let ws = Sandbox::new(config);
    ws.write(".env", "A=\"one\ntwo\"\n");
    ws.build([]).ran(["print"]);
    assert_eq!(ws.read("out/a"), "one\ntwox");
    for file in ["percache.toml", ".env"] {
        let text = ws.read(file).replace('\n', "\r\n");
        ws.write(file, text);
    }
    ws.build([]).ran([]).up_to_date(1);
    ws.build(["-f"]).ran(["print"]);
    assert_eq!(ws.read("out/a"), "one\ntwox");
    // The lines are still counted as they stand there.
    ws.edit("percache.toml", "printf x", "exit 1");
    ws.edit("percache.toml", "inputs", "timeout = \"1s\"\r\ninputs");
    ws.edit("percache.toml", "exit 1", "sleep 9");
    ws.edit("percache.toml", "[task.print]", "\r\n\r\n[task.print]");
    ws.build([]).fails().says(["percache.toml:3\n"]);
}
