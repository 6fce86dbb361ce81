//! Inputs that are parts of files, and inputs outside of the workspace.

use crate::sandbox::Sandbox;
use crate::watch::{Watch, until_it_reads};

const PARTS: &str = r#"
    [task.train]
    command = "@ran(train); cat params.yaml > model"
    inputs = ["params.yaml#train"]
    outputs = ["model"]

    [task.deps]
    command = "@ran(deps); cat package.json > deps"
    inputs = ["package.json#/dependencies", "pyproject.toml#project.dependencies"]
    outputs = ["deps"]
"#;

fn project() -> Sandbox {
    let ws = Sandbox::new(PARTS);
    ws.write("params.yaml", "train:\n  lr: 0.1\n  epochs: 3\nother: 1\n");
    ws.write("package.json", r#"{"name": "x", "dependencies": {"a": "1", "b": "2"}}"#);
    ws.write("pyproject.toml", "[project]\nname = 'x'\ndependencies = ['n']\n");
    ws.build([]).ran(["train", "deps"]);
    ws.build([]).ran([]).up_to_date(2);
    ws
}

#[test]
fn only_the_named_part_counts() {
    let ws = project();
    ws.write("params.yaml", "# a comment\nother: 2\ntrain: {epochs: 3,   'lr': 0.1}\n");
    ws.build([]).ran([]).up_to_date(2);
    ws.write("package.json", "{\n  \"dependencies\": {\"b\": \"2\", \"a\": \"1\"}, \"scripts\": {}\n}\n");
    ws.write("pyproject.toml", "[project]\nname = 'y' # another\ndependencies = [\n  'n',\n]\n");
    ws.build([]).ran([]).up_to_date(2);
    ws.edit("params.yaml", "0.1", "0.2");
    ws.build([]).ran(["train"]);
    ws.edit("pyproject.toml", "'n'", "'n', 'm'");
    ws.build([]).ran(["deps"]);
    ws.edit("package.json", "\"1\"", "\"3\"");
    ws.build([]).ran(["deps"]);
    ws.edit("package.json", "\"3\"", "\"1\"");
    ws.build([]).ran([]);
}

#[test]
fn why_and_dry_runs_name_the_values() {
    let ws = project();
    ws.edit("params.yaml", "0.1", "0.2");
    ws.percache(["build", "-n"]).says(["params.yaml#train changed: train.lr: 0.1 → 0.2"]);
    ws.percache(["why", "train"]).says(["params.yaml#train changed: train.lr: 0.1 → 0.2"]);
    ws.build([]).ran(["train"]);
    ws.percache(["why", "train"]).says(["params.yaml#train changed: train.lr: 0.1 → 0.2"]);
    ws.write("params.yaml", "train:\n  lr: 0.3\n  layers: [1]\n");
    let said = ["train.epochs: gone, was 3 and 2 more", "train.layers: new, [1]", "train.lr: 0.2 → 0.3"];
    ws.percache(["why", "train"]).says(said);
    ws.percache(["why", "--json", "train"]).says(["\"part\"", "train.lr: 0.2 → 0.3"]);
    let output = ws.percache(["build", "-n", "--json"]).succeeds().output();
    assert!(output.contains("train.epochs: gone, was 3"), "{output}");
}

/// Nothing of a file is kept that others may not read.
#[test]
fn values_of_a_private_file_are_kept_nowhere() {
    let ws = Sandbox::new(PARTS);
    ws.write("params.yaml", "train: {token: hunter2}\n");
    ws.write("package.json", "{\"dependencies\": {}}");
    ws.write("pyproject.toml", "[project]\ndependencies = []\n");
    ws.shell("chmod 600 params.yaml");
    ws.edit_config("cat params.yaml", "wc -c < params.yaml");
    ws.build([]).ran(["train", "deps"]);
    assert_eq!(ws.shell("grep -rc hunter2 .percache | grep -v ':0' || true"), "");
    ws.edit("params.yaml", "hunter2", "hunter3");
    ws.percache(["why", "train"]).says(["params.yaml#train changed"]).does_not_say("hunter");
}

/// After a build that found the part as it was, the next one does not read the file again.
#[test]
fn a_change_elsewhere_is_remembered() {
    let ws = project();
    ws.write("params.yaml", "train:\n  lr: 0.1\n  epochs: 3\nother: 7\n");
    // A stamp counts only when it is older than the clock can resolve.
    let wait = || std::thread::sleep(std::time::Duration::from_millis(50));
    wait();
    ws.percache(["build", "--profile", "trace"]).succeeds();
    assert!(ws.read("trace").contains("inputs"), "the task is looked at");
    wait();
    ws.build([]).ran([]);
    // It is replaced when there is something new; otherwise only its time changes.
    let journal = || ws.shell("stat -c %i .percache/worktrees/*/journal");
    let before = journal();
    ws.build([]).ran([]);
    assert_eq!(journal(), before, "there is nothing to remember");
    ws.percache(["build", "--profile", "trace"]).succeeds();
    assert!(!ws.read("trace").contains("inputs"), "no task is looked at: {}", ws.read("trace"));
}

#[test]
fn what_is_missing_is_absent_and_what_is_broken_is_an_error() {
    let ws = project();
    ws.write("params.yaml", "trian:\n  lr: 0.1\n");
    ws.build([]).ran(["train"]).says(["its input `params.yaml#train` does not exist", "did you mean `trian`?"]);
    ws.write("params.yaml", "trian: 3\n");
    ws.build([]).ran([]);
    ws.write("params.yaml", "train: 3\n");
    ws.build([]).ran(["train"]);
    ws.write("params.yaml", "train: [1\nx: }\n");
    ws.build([]).fails().says(["its input `params.yaml` is not YAML: line 2", "mend it, or name the whole file"]);
    ws.remove("params.yaml");
    ws.build(["-f"]).says(["its input `params.yaml#train` does not exist", "create params.yaml"]);
    ws.shell("mkdir params.yaml");
    ws.build([]).fails().says(["its input `params.yaml` is a directory"]);
}

#[test]
fn a_part_of_an_output_makes_a_dependency() {
    let ws = Sandbox::new(
        r#"
        [task.report]
        command = "@ran(report); cat metrics.json > report"
        inputs = ["metrics.json#/accuracy"]
        outputs = ["report"]
        [task.train]
        command = "@ran(train); echo \"{\\\"accuracy\\\": $(head -c1 data), \\\"time\\\": $(wc -c < data)}\" > metrics.json"
        inputs = ["data"]
        outputs = ["metrics.json"]
        "#,
    );
    ws.write("data", "1");
    ws.build([]).ran(["report", "train"]);
    ws.write("data", "12");
    ws.percache(["build", "-n"]).succeeds().says(["report"]);
    ws.build([]).ran(["train"]).up_to_date(1);
    ws.write("data", "21");
    ws.build([]).ran(["report", "train"]);
    ws.percache(["why", "report"]).says(["/accuracy: 1 → 2", "train"]);
    ws.remove("metrics.json");
    ws.build(["-n"]).ran([]);
    ws.build([]).ran([]).restored(1);
}

#[test]
fn patterns_are_evaluated_in_order() {
    let config = |inputs: &str| format!("[task.t]\ncommand = \"@ran(t)\"\ninputs = {inputs}\n");
    let ws = Sandbox::new(&config("[\"@default\", \"p.json#/a\"]"));
    ws.write("p.json", "{\"a\": 1, \"b\": 1}");
    ws.write("other", "1");
    ws.build([]).ran(["t"]);
    ws.write("p.json", "{\"a\": 1, \"b\": 2}");
    ws.build([]).ran([]);
    ws.write("other", "2");
    ws.build([]).ran(["t"]);
    ws.config(&config("[\"p.json#/a\", \"*.json\"]"));
    ws.build([]).ran(["t"]);
    ws.write("p.json", "{\"a\": 1, \"b\": 3}");
    ws.build([]).ran(["t"]);
}

#[test]
fn external_inputs_count_by_content() {
    let ws = Sandbox::new("[workspace]\nmembers = [\"m\"]\n");
    ws.config_in("m", "[task.t]\ncommand = \"@ran(t)\"\ninputs = []\nexternal = [\"../../schema.json\"]\n");
    let outside = ws.outside("schema.json");
    std::fs::write(&outside, "1").unwrap();
    ws.build([]).ran(["t"]);
    ws.build([]).ran([]);
    ws.shell("touch ../schema.json");
    ws.build([]).ran([]);
    std::fs::write(&outside, "2").unwrap();
    ws.percache(["build", "-n"]).says(["../schema.json, outside of the workspace, changed"]);
    ws.percache(["why", "m:t"]).says(["../schema.json, outside of the workspace, changed"]);
    ws.build([]).ran(["t"]);
    std::fs::write(&outside, "1").unwrap();
    ws.build([]).ran([]);
    std::fs::remove_file(&outside).unwrap();
    ws.build([]).ran(["t"]).says(["its external input `../schema.json` does not exist"]);
    // Behind a symlink on the way.
    ws.shell("mkdir ../one ../two; echo 1 > ../one/schema.json; echo 2 > ../two/schema.json; ln -s one ../link");
    ws.edit("m/percache.toml", "../../schema.json", "../../link/schema.json");
    ws.build([]).ran(["t"]);
    ws.build([]).ran([]);
    ws.shell("ln -sfn two ../link");
    ws.build([]).ran(["t"]);
    ws.shell("echo 3 > ../two/schema.json");
    ws.build([]).ran(["t"]);
}

/// What no longer counts is gone only if it is.
#[test]
fn why_tells_apart_what_is_gone_and_what_does_not_count_any_more() {
    let config = |more: &str| format!("[task.t]\ncommand = \"@ran(t)\"\ninputs = []\n{more}\n");
    let ws = Sandbox::new(&config("external = [\"../schema.json\", \"../b\"]"));
    std::fs::write(ws.outside("schema.json"), "1").unwrap();
    std::fs::write(ws.outside("b"), "1").unwrap();
    ws.build([]).ran(["t"]);
    std::fs::remove_file(ws.outside("b")).unwrap();
    ws.config(&config(""));
    let said =
        ["../schema.json, outside of the workspace, is no input any more", "../b, outside of the workspace, is gone"];
    ws.percache(["why", "t"]).says(said);
    ws.write("p.json", "{\"a\": 1}");
    ws.config(&config("").replace("[]", "[\"p.json#/a\"]"));
    ws.build([]).ran(["t"]);
    ws.config(&config(""));
    ws.percache(["why", "t"]).says(["p.json#/a is no input any more"]);
}

#[test]
fn a_result_with_an_external_input_is_shared_by_its_relative_path() {
    let mut ws = Sandbox::new("[task.t]\ncommand = \"@ran(t)\"\ninputs = []\nexternal = [\"../schema.json\"]\n");
    std::fs::write(ws.outside("schema.json"), "1").unwrap();
    ws.build([]).ran(["t"]);
    ws.copy_to("copy");
    ws.build([]).ran([]);
}

#[test]
fn an_external_input_that_changes_meanwhile_is_noticed() {
    let ws = Sandbox::new(
        "[task.t]\ncommand = \"@ran(t); echo 2 > ../schema.json\"\ninputs = []\nexternal = [\"../schema.json\"]\n",
    );
    std::fs::write(ws.outside("schema.json"), "1").unwrap();
    ws.build([]).reported(["t"]).says(["../schema.json"]);
    ws.build([]).reported(["t"]);
    ws.build([]).ran([]);
}

#[test]
fn watch_follows_parts_and_external_inputs() {
    let ws = Sandbox::new(
        r#"
        [task.t]
        command = "@ran(t); cat ../schema.json params.yaml > out"
        inputs = ["params.yaml#a"]
        external = ["../schema.json"]
        outputs = ["out"]
        "#,
    );
    std::fs::write(ws.outside("schema.json"), "1\n").unwrap();
    ws.write("params.yaml", "a: 1\n");
    let mut watch = Watch::start(&ws, &[]);
    until_it_reads(&ws, "out", "1\na: 1\n");
    ws.write("params.yaml", "a: 2\n");
    until_it_reads(&ws, "out", "1\na: 2\n");
    std::fs::write(ws.outside("schema.json"), "2\n").unwrap();
    until_it_reads(&ws, "out", "2\na: 2\n");
    ws.newly_tallied();
    ws.write("params.yaml", "a: 2\nb: 3\n");
    ws.write("params.yaml", "a: 2\nb: 4\n");
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert_eq!(ws.newly_tallied(), [""; 0]);
    ws.write("params.yaml", "a: 5\n");
    until_it_reads(&ws, "out", "2\na: 5\n");
    watch.interrupt();
}

#[test]
fn mistakes_have_their_place() {
    let build = |inputs: &str, external: &str| {
        let config = format!("[task.t]\ncommand = \"true\"\ninputs = {inputs}\nexternal = {external}\n");
        Sandbox::new(&config).build([]).exits(2)
    };
    build("[\"*.json#/a\"]", "[]").says(["percache.toml:3:11", "has a wildcard", "name each file"]);
    build("[\"a.json#\"]", "[]").says(["percache.toml:3:11", "a key is empty"]);
    build("[\"x\", \"!a.json#/a\"]", "[]").says(["percache.toml:3:16", "a part cannot be taken away"]);
    build("[]", "[\"inside\"]").says(["percache.toml:4:13", "lies in the workspace", "name it in `inputs`"]);
    build("[]", "[\"../*.json\"]").says(["is a pattern"]);
    build("[]", "[\"/etc/\"]").says(["is a directory"]);
}
