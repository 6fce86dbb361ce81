//! The files that a build writes beside what it prints: JUnit XML, events, a summary in Markdown.

use std::collections::BTreeMap;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::sandbox::Sandbox;

/// A root and a member; one task fails as long as there is no file `fixed`.
const MIXED: &str = r#"
    [workspace]
    members = ["web"]

    [task.good]
    command = "@ran(good); cat input > made"
    inputs = ["input"]
    outputs = ["made"]

    [task.bad]
    command = "@ran(bad); printf 'a<b> & \"c\" ]]> \\033[31mred\\033[0m \\001\\n'; [ -e fixed ]"
    inputs = ["fixed"]

    [task.last]
    command = "@ran(last)"
    deps = ["bad"]
    inputs = []

    [task.all]
    deps = ["last", "good"]
"#;

fn mixed() -> Sandbox {
    let ws = Sandbox::new(MIXED);
    ws.config_in("web", "[task.build]\ncommand = \"@ran(web)\"\ninputs = []\n");
    ws.write("input", "1");
    ws
}

/// An element of XML: its name, attributes, children and text.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Element>,
    text: String,
}

/// Reads a document of elements, attributes and text, and panics where it is not well-formed.
fn xml(document: &str) -> Element {
    let mut rest = document.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
    let mut open = vec![Element::default()];
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        assert!(!text.contains("]]>"), "{text}");
        open.last_mut().unwrap().text += &unescaped(text);
        let (tag, behind) = rest[at + 1..].split_once('>').expect("a tag ends");
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            let element = open.pop().unwrap();
            assert_eq!(element.name, name);
            open.last_mut().expect("it was opened").children.push(element);
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut element = Element { name: name.to_owned(), ..Element::default() };
        let mut attributes = attributes.trim();
        while let Some((name, behind)) = attributes.split_once("=\"") {
            let (value, behind) = behind.split_once('"').expect("a value ends");
            assert!(!value.contains('<') && !value.contains('\n'), "{value}");
            assert!(element.attributes.insert(name.to_owned(), unescaped(value)).is_none(), "{name} is there twice");
            attributes = behind.trim_start();
        }
        assert_eq!(attributes, "");
        open.push(element);
        if is_empty {
            let element = open.pop().unwrap();
            open.last_mut().unwrap().children.push(element);
        }
    }
    assert_eq!((open.len(), rest.trim()), (1, ""), "every element ends");
    let mut top = open.pop().unwrap();
    assert_eq!(top.children.len(), 1);
    top.children.pop().unwrap()
}

fn unescaped(text: &str) -> String {
    assert!(!text.contains(|c: char| c.is_control() && !"\n\t".contains(c)), "{text:?}");
    let mut plain = text.to_owned();
    for (entity, character) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#10;", "\n"), ("&#9;", "\t"), ("&#13;", "\r")]
    {
        plain = plain.replace(entity, character);
    }
    assert_eq!(plain.matches('&').count(), plain.matches("&amp;").count(), "{text}");
    plain.replace("&amp;", "&")
}

/// The cases of all suites, by their full names.
fn cases(document: &str) -> BTreeMap<String, Element> {
    let top = xml(document);
    assert_eq!(top.name, "testsuites");
    let mut cases = BTreeMap::new();
    for suite in top.children {
        assert_eq!(suite.name, "testsuite");
        let count = |tag: &str| suite.children.iter().filter(|it| it.children.iter().any(|it| it.name == tag)).count();
        for (attribute, number) in [
            ("tests", suite.children.len()),
            ("failures", count("failure")),
            ("errors", count("error")),
            ("skipped", count("skipped")),
        ] {
            assert_eq!(suite.attributes[attribute], number.to_string(), "{attribute}");
        }
        for case in suite.children {
            assert_eq!((case.name.as_str(), &case.attributes["classname"]), ("testcase", &suite.attributes["name"]));
            assert!(case.attributes["time"].parse::<f64>().unwrap() >= 0.0);
            cases.insert(format!("{}:{}", suite.attributes["name"], case.attributes["name"]), case);
        }
    }
    cases
}

/// What a case says: `passed`, or the name of its child.
fn said(case: &Element) -> &str {
    case.children.first().map_or("passed", |child| &child.name)
}

#[test]
fn junit_has_a_suite_for_each_package_and_a_case_for_each_task() {
    let ws = mixed();
    ws.build(["-k", "--junit", "junit.xml"]).fails();
    let root = ws.root().file_name().unwrap().to_str().unwrap();
    let found = cases(&ws.read("junit.xml"));
    let said_of = |name: &str| said(&found[&format!("{root}:{name}")]).to_owned();
    assert_eq!(found.len(), 4, "a group is no case: {:?}", found.keys());
    assert_eq!(
        (said_of("good").as_str(), said_of("bad").as_str(), said_of("last").as_str()),
        ("passed", "failure", "skipped")
    );
    assert_eq!(said(&found["web:build"]), "passed");
    let failure = &found[&format!("{root}:bad")].children[0];
    assert_eq!(failure.attributes["message"], "exit status 1");
    assert_eq!(failure.text, "a<b> & \"c\" ]]> red \n");
    // Whatever there is to do, and however little.
    ws.write("fixed", "");
    ws.build(["--junit", "junit.xml"]).succeeds();
    ws.build(["--junit", "junit.xml"]).succeeds().reported([]);
    let found = cases(&ws.read("junit.xml"));
    assert_eq!((found.len(), found.values().filter(|it| said(it) == "passed").count()), (4, 4));
    ws.build(["--failed", "--junit", "junit.xml"]).succeeds();
    assert_eq!(cases(&ws.read("junit.xml")).len(), 0);
}

#[test]
fn a_task_that_cannot_run_is_an_error_of_junit() {
    let ws = Sandbox::new("[task.t]\ncommand = [\"./lost\"]\ninputs = []\n");
    ws.build(["--junit", "junit.xml"]).fails();
    let found = cases(&ws.read("junit.xml"));
    assert_eq!(found.values().map(said).collect::<Vec<_>>(), ["error"]);
}

#[test]
fn the_events_are_those_that_json_prints() {
    let ws = mixed();
    let run = ws.build(["-k", "--json-file", "events", "--json"]).fails();
    assert_eq!(ws.read("events"), run.stdout);
    let run = ws.build(["-k", "--json-file", "events"]).fails();
    assert!(run.stdout.contains("failed     bad"), "the readable log is there as well: {}", run.stdout);
    let events: Vec<Value> = ws.read("events").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let words: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert!(words.contains(&"started") && words.last() == Some(&"summary"), "{words:?}");
}

#[test]
fn the_summary_has_what_failed_with_its_log_and_what_ran() {
    let ws = mixed();
    ws.build(["-k", "--summary-file", "summary.md"]).fails();
    let text = ws.read("summary.md");
    assert!(text.starts_with("### percache: 1 failed, 2 ran, 1 skipped in "), "{text}");
    for part in ["| `bad` | **failed** |", "| exit status 1 |", "| `good` | ran |", "| `web:build` | ran |"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let log = "#### `bad`: exit status 1\n\n```sh\n";
    assert!(text.contains(log) && text.contains("Its log:\n\n```\na<b> & \"c\" ]]> red\n```\n"), "{text}");
    ws.remove("made");
    ws.build(["--summary-file", "summary.md", "good"]).restored(1);
    let text = ws.read("summary.md");
    assert!(text.starts_with("### percache: 1 restored in ") && text.contains("The cache saved "), "{text}");
    assert!(text.contains("| `good` | restored |") && !text.contains("bad"), "{text}");
}

#[test]
fn github_gets_the_summary_of_each_step_by_itself() {
    let ws = mixed();
    ws.write("step", "before\n");
    let step = ws.path("step");
    let build = |arguments: &[&str]| {
        let mut command = ws.command("");
        command.arg("build").args(arguments).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &step);
        ws.run(&mut command)
    };
    build(&["good", "--summary-file", "none"]).succeeds();
    build(&["good", "-n"]).succeeds();
    build(&["good", "--summary-file", "own"]).succeeds();
    assert_eq!((ws.read("step").as_str(), ws.exists("none")), ("before\n", false));
    build(&["good"]).succeeds();
    build(&["bad"]).fails();
    build(&["good", "--summary-file", step.to_str().unwrap()]).succeeds();
    let text = ws.read("step");
    assert_eq!((text.matches("### percache: ").count(), text.starts_with("before\n")), (3, true), "{text}");
    assert!(text.contains("1 up to date in") && text.contains("**failed**"), "{text}");
    let mut elsewhere = ws.command("");
    elsewhere.args(["build", "good"]).env("GITHUB_STEP_SUMMARY", &step);
    ws.run(&mut elsewhere).succeeds();
    assert_eq!(ws.read("step"), text, "only on GitHub");
    // In a container, the file may not be there.
    let mut inside = ws.command("");
    inside.args(["build", "good"]).env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", "/lost/step");
    ws.run(&mut inside).succeeds().does_not_say("/lost");
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_before_anything_runs() {
    let ws = mixed();
    for option in ["--junit", "--json-file", "--summary-file"] {
        ws.build([option, "lost/file"]).exits(2).reported([]).says(["cannot write `lost/file`: "]);
        ws.build([option, "."]).exits(2).reported([]).says(["cannot write `.`: "]);
    }
    ws.build(["-n", "--junit", "file"]).exits(2).says(["--junit"]);
    assert!(!ws.exists("file"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_at_the_end() {
    let ws = mixed();
    ws.build(["good", "--junit", "/dev/full"]).exits(1).reported(["good"]).says(["cannot write `/dev/full`: "]);
}

#[test]
fn the_files_are_complete_when_the_build_is_interrupted() {
    let ws = Sandbox::new(
        r#"
            [task.a]
            command = "touch begun; sleep 30"
            inputs = []

            [task.b]
            command = "true"
            deps = ["a"]
            inputs = []
        "#,
    );
    let mut command = ws.command("");
    command.args(["build", "--junit", "junit.xml", "--json-file", "events", "--summary-file", "summary.md"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    ws.wait_until("it runs", || ws.exists("begun"));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let found = cases(&ws.read("junit.xml"));
    let why: Vec<_> = found.values().map(|case| case.children[0].attributes["message"].as_str()).collect();
    assert_eq!(why, ["interrupted", "not reached"]);
    assert!(ws.read("events").lines().last().unwrap().contains(r#""interrupted":true"#));
    assert!(ws.read("summary.md").starts_with("### percache: interrupted: 1 stopped, 1 skipped in "));
}
