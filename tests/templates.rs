//! What is said once: defaults of the workspace, templates, included files, a shell.

use crate::sandbox::Sandbox;
use crate::watch::{Watch, until_it_reads};

const TEMPLATES: &str = r#"
    [workspace]
    members = ["pkgs/*"]

    [template.package]
    command = "@ran({pkg}); cat src/* > out"
    matrix = { pkg = ["x"] }
    inputs = ["src"]
    outputs = ["out"]
    env = { LEVEL = "1" }

    [template.other]
    command = "@ran(other); cat src/* > other"
    inputs = ["src"]
    outputs = ["other"]
"#;

/// Two members with the same build in two lines each, and one task of another template.
fn project() -> Sandbox {
    let ws = Sandbox::new(TEMPLATES);
    ws.write("pkgs/a/percache.toml", "[task.build]\nextends = [\"package\"]\nmatrix = { pkg = [\"a\"] }\n");
    ws.write("pkgs/b/percache.toml", "[task.build]\nextends = [\"package\"]\nmatrix = { pkg = [\"b\"] }\n");
    ws.write("pkgs/c/percache.toml", "[task.build]\nextends = [\"other\"]\n");
    for member in ["a", "b", "c"] {
        ws.write(&format!("pkgs/{member}/src/1"), member);
    }
    ws
}

#[test]
fn a_changed_template_runs_the_tasks_whose_definition_changes() {
    let ws = project();
    ws.build([]).ran(["a", "b", "other"]);
    assert_eq!(ws.read("pkgs/a/out"), "a");
    ws.build([]).ran([]).up_to_date(3);

    ws.edit_config("LEVEL = \"1\"", "LEVEL = \"2\"");
    ws.percache(["why", "pkgs/a:build[pkg=a]"]).succeeds().says(["LEVEL"]);
    ws.percache(["build", "-n"]).succeeds().says(["pkgs/a:build[pkg=a]", "LEVEL"]);
    ws.build([]).ran(["a", "b"]).up_to_date(1);
    ws.percache(["why", "pkgs/b:build[pkg=b]"]).succeeds().says(["LEVEL"]);

    // What a task states itself hides a change of the template from it.
    ws.write(
        "pkgs/b/percache.toml",
        "[task.build]\nextends = [\"package\"]\nmatrix = { pkg = [\"b\"] }\nenv = { LEVEL = \"2\" }\n",
    );
    ws.build([]).ran([]);
    ws.edit_config("LEVEL = \"2\"", "LEVEL = \"3\"");
    ws.build([]).ran(["a"]).up_to_date(2);
    ws.edit_config("LEVEL = \"3\"", "LEVEL = \"1\"");
    ws.build([]).ran([]);
}

#[test]
fn moving_keys_into_a_template_runs_nothing() {
    let ws = Sandbox::new("[task.t]\ncommand = \"@ran(t); cat a > b\"\ninputs = [\"a\"]\noutputs = [\"b\"]\n");
    ws.write("a", "1");
    ws.build([]).ran(["t"]);
    ws.config(
        "[template.half]\ninputs = [\"a\"]\noutputs = [\"b\"]\n[task.t]\nextends = [\"half\"]\n\
         command = \"@ran(t); cat a > b\"\n",
    );
    ws.build([]).ran([]);
}

#[test]
fn a_changed_default_runs_the_tasks_that_have_it() {
    let ws = Sandbox::new(
        r#"
        [workspace]
        inputs = ["base"]
        tools = ["cat version"]
        env_from = ["MODE"]
        [task.all]
        command = "@ran(all); cat src > all"
        inputs = ["src"]
        outputs = ["all"]
        [task.some]
        command = "@ran(some); cat src > some"
        inputs = ["src", "!base"]
        outputs = ["some"]
        tools = ["!cat version"]
        env_from = ["!MODE"]
        "#,
    );
    ws.write("base", "1");
    ws.write("version", "1");
    ws.write("src", "1");
    ws.build([]).ran(["all", "some"]);
    ws.build([]).ran([]);
    ws.write("base", "2");
    ws.percache(["why", "all"]).succeeds().says(["base"]);
    ws.build([]).ran(["all"]);
    ws.write("version", "2");
    ws.build([]).ran(["all"]);
    ws.percache(["why", "all"]).succeeds().says(["cat version"]);
    ws.run(ws.command("").arg("build").env("MODE", "x")).ran(["all"]);
    ws.edit_config("inputs = [\"base\"]", "inputs = [\"base\", \"more\"]");
    ws.write("more", "1");
    ws.build([]).ran(["all", "some"]);
    ws.build([]).ran([]);
}

#[test]
fn variables_of_the_workspace_reach_every_command() {
    let ws = Sandbox::new(
        r#"
        [workspace]
        env_pass = ["PASSED"]
        env_from = ["FROM"]
        [task.t]
        command = "echo ${PASSED-none} ${FROM-none} > t"
        inputs = []
        outputs = ["t"]
        [task.u]
        command = "echo ${PASSED-none} ${FROM-none} > u"
        inputs = []
        outputs = ["u"]
        env_pass = ["!PASSED"]
        "#,
    );
    let run = |passed: &str, from: &str| {
        ws.run(ws.command("").arg("build").env("PASSED", passed).env("FROM", from)).succeeds();
        (ws.read("t"), ws.read("u"))
    };
    assert_eq!(run("1", "a"), ("1 a\n".to_owned(), "none a\n".to_owned()));
    assert_eq!(run("2", "a"), ("1 a\n".to_owned(), "none a\n".to_owned()), "env_pass is in no fingerprint");
    assert_eq!(run("2", "b"), ("2 b\n".to_owned(), "none b\n".to_owned()), "env_from is");
}

/// The commonest silent fault of task runners: a failure in the first part of a pipe, stored as a success.
#[test]
fn a_shell_with_pipefail_finds_a_failure_in_a_pipe() {
    let ws = Sandbox::new("[task.t]\ncommand = \"@ran(t); false | cat > t\"\ninputs = []\noutputs = [\"t\"]\n");
    ws.build([]).ran(["t"]);
    ws.build([]).ran([]);
    ws.edit_config("[task.t]", "[workspace]\nshell = [\"bash\", \"-euo\", \"pipefail\", \"-c\"]\n[task.t]");
    ws.percache(["why", "t"]).succeeds().says(["command"]);
    ws.build([]).fails().says(["failed", "pipefail"]);
    ws.build([]).fails();
    ws.edit_config("inputs = []", "shell = [\"sh\", \"-c\"]\ninputs = []");
    ws.build([]).ran(["t"]);
}

#[test]
fn values_are_quoted_for_the_shell_that_is_named() {
    let ws = Sandbox::new(
        "[workspace]\nshell = [\"bash\", \"-c\"]\n[task.t]\nforeach = \"*.in\"\ncommand = \"cat {file} > {stem}.out\"\n\
         inputs = [\"{file}\"]\noutputs = [\"{stem}.out\"]\n",
    );
    ws.write("a b;c.in", "1");
    ws.build([]).succeeds();
    assert_eq!(ws.read("a b;c.out"), "1");
}

#[test]
fn included_files_are_part_of_the_configuration() {
    let ws = Sandbox::new("include = [\"tasks/*.toml\"]\n[task.all]\ncommand = \"@ran(all)\"\n");
    let task = |name: &str, text: &str| {
        format!("[task.{name}]\ncommand = \"echo {text} > {name}\"\ninputs = []\noutputs = [\"{name}\"]\n")
    };
    let ran = || ws.build([]).succeeds().count("ran");
    ws.write("tasks/one.toml", task("one", "1"));
    assert_eq!((ran(), ws.read("one")), (2, "1\n".to_owned()));
    ws.build([]).ran([]).up_to_date(2);
    ws.write("tasks/one.toml", task("one", "2"));
    assert_eq!((ran(), ws.read("one")), (1, "2\n".to_owned()), "the files themselves are no inputs");
    ws.write("tasks/two.toml", task("two", "2"));
    assert_eq!((ran(), ws.read("two")), (1, "2\n".to_owned()), "a new file is found");
    ws.write("tasks/two.toml", task("two", "2").replace("outputs", "output"));
    ws.build([]).exits(2).says(["tasks/two.toml:4:1", "did you mean `outputs`?"]);
    ws.remove("tasks/two.toml");
    assert_eq!(ran(), 0);
    assert!(!ws.exists("two"), "no task makes it any more");
}

#[test]
fn an_unused_template_is_named() {
    let ws = Sandbox::new("[template.idle]\ntimeout = \"1m\"\n[task.t]\ncommand = \"true\"\n");
    ws.build([]).succeeds().says(["no task extends the template `idle` (percache.toml:1)"]);
}

#[test]
fn watch_follows_templates_included_files_and_inputs_of_the_workspace() {
    let ws = Sandbox::new(
        "include = [\"more.toml\"]\n[workspace]\ninputs = [\"base\"]\n[template.t]\nenv = { A = \"1\" }\n",
    );
    let task =
        "[task.t]\nextends = [\"t\"]\ncommand = \"cat base > out; echo $A >> out\"\ninputs = []\noutputs = [\"out\"]\n";
    ws.write("more.toml", task);
    ws.write("base", "1\n");
    let mut watch = Watch::start(&ws, &[]);
    until_it_reads(&ws, "out", "1\n1\n");
    ws.write("base", "2\n");
    until_it_reads(&ws, "out", "2\n1\n");
    ws.edit("percache.toml", "A = \"1\"", "A = \"3\"");
    until_it_reads(&ws, "out", "2\n3\n");
    ws.write("more.toml", task.replace(">> out", ">> out; echo new >> out"));
    until_it_reads(&ws, "out", "2\n3\nnew\n");
    watch.interrupt();
}

#[test]
fn the_default_inputs_beside_others() {
    let ws = Sandbox::new("[workspace]\nmembers = [\"a\"]\n");
    ws.config_in("a", "[task.t]\ncommand = \"@ran(t)\"\ninputs = [\"@default\", \"../base\", \"!README.md\"]\n");
    ws.write("base", "1");
    ws.write("a/code", "1");
    ws.write("a/README.md", "1");
    ws.build([]).ran(["t"]);
    ws.build([]).ran([]);
    ws.write("a/README.md", "2");
    ws.build([]).ran([]);
    ws.write("a/new", "1");
    ws.build([]).ran(["t"]);
    ws.percache(["why", "a:t"]).succeeds().says(["a/new"]);
    ws.write("base", "2");
    ws.build([]).ran(["t"]);
    ws.remove("a/code");
    ws.build([]).ran(["t"]);
}

#[test]
fn a_task_takes_away_dependencies_and_variables() {
    let ws = Sandbox::new(
        r#"
            [workspace]
            env = { LEVEL = "1", MODE = "fast" }
            [template.t]
            deps = ["gen*"]
            env = { EXTRA = "x" }
            inputs = []

            [task.gen-a]
            command = "@ran(gen-a)"
            inputs = []
            env = { LEVEL = false }
            [task.gen-b]
            command = "@ran(gen-b)"
            inputs = []
            env = { LEVEL = false }

            [task.all]
            extends = ["t"]
            command = "echo ${LEVEL-none} ${EXTRA-none} > all.txt && @ran(all)"
            outputs = ["all.txt"]
            [task.some]
            extends = ["t"]
            command = "echo ${LEVEL-none} ${EXTRA-none} ${MODE-none} > some.txt && @ran(some)"
            outputs = ["some.txt"]
            deps = ["!gen-b"]
            env = { LEVEL = false, EXTRA = false }
        "#,
    );
    ws.build(["some"]).ran(["gen-a", "some"]);
    assert_eq!(ws.read("some.txt"), "none none fast\n");
    ws.build(["all"]).ran(["all", "gen-b"]).up_to_date(1);
    assert_eq!(ws.read("all.txt"), "1 x\n");
    // What was taken away has no part in its result.
    ws.edit_config("LEVEL = \"1\"", "LEVEL = \"2\"");
    ws.edit_config("EXTRA = \"x\"", "EXTRA = \"y\"");
    ws.build(["all", "some"]).ran(["all"]).up_to_date(3);
}

/// `<<<` and arrays are syntax errors for `sh`, and without `pipefail` the second tool would succeed.
#[test]
fn tools_run_in_the_shell_of_the_task() {
    let ws = Sandbox::new(
        r#"
            [workspace]
            shell = ["bash", "-euo", "pipefail", "-c"]
            tools = ["read -r version <<< $(cat version); echo $version"]
            [task.a]
            command = ["sh", "-c", "@ran(a)"]
            inputs = []
            [task.b]
            command = "@ran(b)"
            inputs = []
            tools = ["false | cat"]
            [task.python]
            command = "print('python')"
            shell = ["python3", "-c"]
            inputs = []
            tools = ["!read -r version <<< $(cat version); echo $version", "test -n \"$PATH\" && cat version"]
        "#,
    );
    ws.write("version", "1");
    ws.build(["a"]).ran(["a"]);
    ws.build(["a"]).ran([]).up_to_date(1);
    ws.build(["python"]).succeeds();
    ws.build(["python"]).ran([]).up_to_date(1);
    ws.write("version", "2");
    let tool = "`read -r version <<< $(cat version); echo $version` changed";
    ws.percache(["why", "a"]).succeeds().says(["not run; assumed to answer as the last time"]);
    ws.build(["a", "--explain"]).ran(["a"]).says([&tool[1..20]]);
    ws.build(["b"]).fails().says(["its tool `false | cat` failed"]);
}
