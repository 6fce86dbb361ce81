//! What programs read: each kind of JSON that percache writes is as its schema in docs/schemas says.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::sandbox::Sandbox;

/// The schema, in which every object may have no other properties than those that are described: consumers may meet new ones, these tests
/// shall not.
fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut schema = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(jsonschema::meta::is_valid(&schema), "{name} is no JSON Schema");
    close(&mut schema);
    schema
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(close);
            if object.contains_key("properties") && object.get("type") == Some(&"object".into()) {
                object.insert("additionalProperties".to_owned(), false.into());
            }
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}

fn check(name: &str, value: &Value) {
    let schema = schema(name);
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let wrong: Vec<_> = validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(wrong.is_empty(), "{name}: {wrong:#?}\n{value:#}");
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The events of a build, each checked.
fn events(stdout: &str) -> Vec<Value> {
    let events: Vec<Value> = stdout.lines().map(parse).collect();
    events.iter().for_each(|event| check("events.json", event));
    assert_eq!(events.last().unwrap()["event"], "summary");
    events
}

const CHAIN: &str = r#"
    [task.gen]
    description = "Makes the list"
    command = "@ran(gen); cat input > out/list; echo made"
    inputs = ["input", "absent"]
    outputs = ["out/list"]

    [task.use]
    command = "@ran(use); cat out/list > out/used; sleep 0.1"
    inputs = ["out/list"]
    outputs = ["out/used"]

    [task.lone]
    command = "@ran(lone); [ -e input ]"
    inputs = ["input"]

    [task.all]
    deps = ["use", "lone"]
"#;

fn chain() -> Sandbox {
    let ws = Sandbox::new(CHAIN);
    ws.write("input", "1\n");
    ws
}

#[test]
fn events_of_all_kinds_of_builds() {
    let ws = chain();
    let mut outcomes = BTreeSet::new();
    let mut build = |arguments: &[&str], broken: bool| {
        let run = ws.run(ws.command("").args(["build", "--json"]).args(arguments));
        assert_eq!(run.status, i32::from(broken), "{}", run.output());
        for event in events(&run.stdout).iter().filter(|event| event["event"] == "finished") {
            outcomes.insert(event["outcome"].as_str().unwrap().to_owned());
        }
    };
    build(&["-n"], false);
    build(&[], false);
    build(&["--logs", "all"], false);
    ws.remove("out");
    build(&["-n"], false);
    build(&[], false);
    ws.write("input", "2\n");
    build(&["--explain"], false);
    ws.remove("input");
    build(&["-k"], true);
    ws.write("input", "1\n");
    ws.edit_config("cat input > out/list", "date +%N > out/list");
    build(&[], false);
    build(&["--check"], true);
    let all = [
        "checked",
        "failed",
        "group",
        "may_run",
        "ran",
        "restored",
        "unstable",
        "up_to_date",
        "would_restore",
        "would_run",
    ];
    assert_eq!(outcomes, all.map(str::to_owned).into());
}

#[test]
fn events_of_an_interrupted_build_and_of_one_that_waits() {
    let ws = Sandbox::new("[task.slow]\ncommand = \"@ran(slow); while [ ! -e go ]; do sleep 0.02; done\"\ninputs = []");
    let start = || {
        let mut command = ws.command("");
        command.args(["build", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let first = start();
    ws.wait_until("slow runs", || ws.outside("tally").exists());
    let second = start();
    std::thread::sleep(std::time::Duration::from_millis(300));
    kill_process(Pid::from_child(&first), Signal::INT).unwrap();
    let first = events(&String::from_utf8(first.wait_with_output().unwrap().stdout).unwrap());
    assert!(first.iter().any(|event| event["outcome"] == "stopped") && first.last().unwrap()["interrupted"] == true);
    ws.write("go", "");
    let second = events(&String::from_utf8(second.wait_with_output().unwrap().stdout).unwrap());
    assert!(second.iter().any(|event| event["event"] == "waiting" && event["task"].is_null()), "{second:#?}");
}

#[test]
fn the_other_answers() {
    let ws = chain();
    let answer = |arguments: &[&str]| parse(&ws.run(ws.command("").args(arguments)).succeeds().stdout);
    let all = |built: bool| {
        check("list.json", &answer(&["list", "--json"]));
        check("stats.json", &answer(&["stats", "--json"]));
        check("graph.json", &answer(&["graph", "--format", "json"]));
        let upwards = answer(&["graph", "--format", "json", "--needed-by", "input"]);
        check("graph.json", &upwards);
        assert_eq!(upwards["files"].as_array().unwrap().len(), 1);
        for task in ["gen", "use", "all"] {
            let why = answer(&["why", "--json", task]);
            check("why.json", &why);
            assert_eq!(why["last"].is_object(), built && task != "all", "{why:#}");
        }
        check("why-tasks.json", &answer(&["why", "--json", "*"]));
        if built {
            check("why-last-build.json", &answer(&["why", "--json"]));
        }
    };
    all(false);
    ws.build([]).ran(["gen", "lone", "use"]);
    all(true);
    ws.write("input", "2\n");
    all(true);
    ws.edit_config("cat input", "cat ./input");
    all(true);
}

#[test]
fn the_answers_about_functions() {
    let ws = Sandbox::empty();
    let cache = percache::Cache::open(ws.path("results.cache")).unwrap();
    let square = cache.wrap("square", |n: u64| n * n);
    assert_eq!((square.call(2), square.call(2)), (4, 4));
    cache.close().unwrap();
    for (command, schema) in [("stats", "stats-functions.json"), ("list", "list-functions.json")] {
        check(schema, &parse(&ws.percache([command, "--json", "--cache", "results.cache"]).succeeds().stdout));
    }
}

// ---- traces ----------------------------------------------------------------------------------------------------------

fn trace(ws: &Sandbox) -> Vec<Value> {
    ws.build(["-j", "2", "--profile", "../trace.json"]).succeeds();
    let trace = parse(&std::fs::read_to_string(ws.outside("trace.json")).unwrap());
    check("trace.json", &trace);
    trace["traceEvents"].as_array().unwrap().clone()
}

fn named<'a>(events: &'a [Value], category: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["cat"] == category)
}

#[test]
fn a_trace_has_workers_parts_of_tasks_store_sessions_and_the_critical_path() {
    let ws = chain();
    let events = trace(&ws);
    let rows: BTreeSet<_> = events.iter().filter_map(|event| event["args"]["name"].as_str()).collect();
    assert!(
        ["build", "worker 1", "worker 2", "store", "critical path"].iter().all(|row| rows.contains(row)),
        "{rows:?}"
    );
    let critical: Vec<_> =
        named(&events, "task").filter(|event| event["tid"] == 10_002).map(|event| &event["name"]).collect();
    assert_eq!(critical, ["gen", "use"]);
    assert!(named(&events, "store").count() > 0);
    let phases: BTreeSet<_> = named(&events, "phase").filter_map(|event| event["name"].as_str()).collect();
    for phase in ["hash inputs", "look up", "command", "capture outputs", "check inputs again", "wait for the store"] {
        assert!(phases.contains(phase), "{phase} is not in {phases:?}");
    }
    ws.remove("out");
    assert!(named(&trace(&ws), "phase").any(|event| event["name"] == "restore"));
}

#[test]
fn in_a_trace_the_parts_of_a_task_lie_within_it_and_tasks_of_a_worker_one_after_the_other() {
    let events = trace(&chain());
    let time = |event: &Value| {
        let begin = event["ts"].as_f64().unwrap();
        (event["tid"].as_u64().unwrap(), begin, begin + event["dur"].as_f64().unwrap())
    };
    let mut tasks: Vec<_> = named(&events, "task").filter(|event| event["tid"] != 10_002).map(time).collect();
    assert_eq!(tasks.len(), 3);
    for part in named(&events, "phase").filter(|event| event["tid"] != 1).map(time) {
        let within = |task: &&(u64, f64, f64)| task.0 == part.0 && task.1 <= part.1 && part.2 <= task.2;
        assert_eq!(tasks.iter().filter(within).count(), 1, "{part:?} in {tasks:?}");
    }
    tasks.sort_by(|a, b| (a.0, a.1).partial_cmp(&(b.0, b.1)).unwrap());
    assert!(tasks.windows(2).all(|two| two[0].0 != two[1].0 || two[0].2 <= two[1].1), "{tasks:?}");
}

/// make → use; bad fails; a depfile, a tool, a variable, a dependency without outputs.
const MANY_KINDS: &str = r#"
    [task.check]
    command = "true"
    inputs = ["rules"]

    [task.make]
    command = "cat src > out/made; echo 'x: header' > dep/made.d"
    inputs = ["src"]
    outputs = ["out/made"]
    depfile = "dep/made.d"
    tools = ["cat version"]
    env_from = ["FLAGS"]
    deps = ["check"]

    [task.use]
    command = "cat out/made > out/used"
    inputs = ["out/made"]
    outputs = ["out/used"]

    [task.all]
    deps = ["use"]

    [task.bad]
    command = "[ ! -e broken ]"
    inputs = ["broken"]

    [task.after]
    command = "true"
    deps = ["bad"]
    inputs = []
"#;

fn many_kinds() -> Sandbox {
    let ws = Sandbox::new(MANY_KINDS);
    for path in ["rules", "src", "header", "version"] {
        ws.write(path, format!("{path}\n"));
    }
    ws
}

#[test]
fn every_answer_of_why_about_a_project_with_everything() {
    let ws = many_kinds();
    let state = |task: &str| {
        let answer = parse(&ws.percache(["why", "--json", task]).succeeds().stdout);
        check("why.json", &answer);
        answer["state"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!((state("make"), state("use")), ("may_run".into(), "may_run".into()), "the tool is unknown");
    ws.build([]).succeeds();
    assert_eq!((state("use"), state("all")), ("up_to_date".into(), "group".into()));
    ws.remove("out/used");
    assert_eq!(state("use"), "would_restore");
    ws.write("src", "other\n");
    ws.write("rules", "other\n");
    ws.write("header", "other\n");
    assert_eq!((state("check"), state("use"), state("all")), ("would_run".into(), "may_run".into(), "may_run".into()));
    ws.run(ws.command("").arg("build").env("FLAGS", "1")).succeeds();
    ws.edit_config("cat src > out/made", "cat src src > out/made");
    ws.write("version", "2\n");
    assert_eq!((state("make"), state("use")), ("would_run".into(), "may_run".into()));
    ws.build([]).succeeds();
    assert_eq!(state("use"), "up_to_date");
    ws.edit_config("tools = [\"cat version\"]", "env_file = [\"nowhere\"]");
    assert_eq!(state("use"), "would_fail");
}

#[test]
fn the_report() {
    let ws = many_kinds();
    ws.build([]).succeeds();
    check("report.json", &parse(&ws.percache(["report", "--json"]).succeeds().stdout));
    ws.write("src", "other\n");
    ws.write("broken", "");
    ws.build(["-k"]).fails();
    let report = parse(&ws.percache(["report", "--json"]).succeeds().stdout);
    check("report.json", &report);
    assert_eq!(report["builds"].as_array().map(Vec::len), Some(2));
}
