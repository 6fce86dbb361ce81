//! `report`: what it says of the last build, and the page in a browser, where there is one.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

/// table → generate → compile[…] → link; bad fails, after needs it.
const PROJECT: &str = r#"
    [task.generate]
    command = "@ran(generate); sed '/^#/d' table > out/gen"
    inputs = ["table"]
    outputs = ["out/gen"]

    [task.compile]
    foreach = "src/*.c"
    command = "@ran(compile); cat {file} out/gen > out/{stem}.o"
    inputs = ["{file}", "out/gen"]
    outputs = ["out/{stem}.o"]

    [task.link]
    command = "@ran(link); cat out/*.o > out/app"
    inputs = ["out/*.o"]
    outputs = ["out/app"]

    [task.all]
    deps = ["link"]

    [task.bad]
    command = "[ ! -e broken ]"
    inputs = ["broken"]

    [task.after]
    command = "true"
    inputs = []
    deps = ["bad"]
"#;

fn project() -> Sandbox {
    let ws = Sandbox::new(PROJECT);
    ws.write("table", "1\n");
    ws.write("src/a.c", "a\n");
    ws.write("src/b.c", "b\n");
    ws.build([]).succeeds();
    ws
}

fn report(ws: &Sandbox) -> Value {
    serde_json::from_str(&ws.percache(["report", "--json"]).succeeds().reported([]).stdout).expect("JSON")
}

/// Of each task, one of its fields.
fn field<'a>(report: &'a Value, field: &str) -> BTreeMap<&'a str, &'a Value> {
    let tasks = report["tasks"].as_array().expect("tasks");
    tasks.iter().map(|task| (task["name"].as_str().expect("a name"), &task[field])).collect()
}

#[test]
fn every_outcome_is_told() {
    let ws = project();
    // A comment: the generated file comes out the same. `a.o` is restored, `b.c` compiled and linked again.
    ws.write("table", "1\n# a comment\n");
    ws.remove("out/a.o");
    ws.write("src/b.c", "B\n");
    ws.write("broken", "");
    ws.build(["-k"]).fails();
    let told = report(&ws);
    let expected = json!({
        "generate": "cut_off", "compile[src/a.c]": "restored", "compile[src/b.c]": "ran", "link": "ran", "all": "group",
        "bad": "failed", "after": "skipped",
    });
    assert_eq!(json!(field(&told, "outcome")), expected);
    let reasons = field(&told, "reason");
    assert_eq!(reasons["generate"], "table changed, line 2");
    assert_eq!(reasons["compile[src/b.c]"], "src/b.c changed, line 1");
    assert_eq!(reasons["link"], "out/b.o changed, line 1");
    assert_eq!(reasons["bad"], "exit status 1");
    let counts = ["ran", "restored", "up_to_date", "failed", "skipped"].map(|count| told["build"][count].as_u64());
    assert_eq!(counts, [Some(3), Some(1), Some(0), Some(1), Some(1)]);
    assert_eq!(told["build"]["command"], "percache build -k");
    assert_eq!(told["builds"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_failed_task_has_its_command_and_log_until_it_runs_again() {
    let ws = project();
    ws.write("speak", "printf '</pre><b>\\n\\033[1mbold\\n'");
    ws.edit_config("[ ! -e broken ]", "sh speak; [ ! -e broken ]");
    ws.write("broken", "");
    ws.build(["-k"]).fails();
    let told = report(&ws);
    let failures = field(&told, "failure");
    assert_eq!(
        *failures["bad"],
        json!({ "command": "sh speak; [ ! -e broken ]", "log": "</pre><b>\nbold\n", "log_is_whole": true })
    );
    assert!(failures["after"].is_null() && failures["link"].is_null(), "{told:#}");
    assert!(!ws.percache(["report", "-o", "-"]).succeeds().stdout.contains("</pre><b>"));
    // A build that records something else, and then one that runs the task with success: its log is gone.
    ws.build(["--failed"]).fails();
    assert_eq!(field(&report(&ws), "failure")["bad"]["log"], "</pre><b>\nbold\n");
    let record = ws.shell("echo .percache/worktrees/*/builds");
    let then = ws.read(record.trim());
    ws.remove("broken");
    ws.build(["bad"]).succeeds();
    ws.write(record.trim(), then);
    assert!(field(&report(&ws), "failure")["bad"]["log"].is_null());
}

#[test]
fn times_needs_and_the_critical_path_fit_together() {
    let told = report(&project());
    let tasks = told["tasks"].as_array().expect("tasks");
    let mut before = 0.0;
    let path = told["critical_path"].as_array().expect("a path");
    for position in path {
        let task = &tasks[position.as_u64().expect("a position") as usize];
        let (began, seconds) = (task["began"].as_f64().expect("a time"), task["seconds"].as_f64().expect("a time"));
        assert!(began >= before, "each waits for the one before: {told:#}");
        before = began + seconds;
        assert_eq!(task["critical"], true);
    }
    let name = |position: &Value| tasks[position.as_u64().unwrap_or(0) as usize]["name"].clone();
    assert_eq!((path.len(), name(&path[0]), name(&path[2])), (3, "generate".into(), "link".into()));
    let needs = field(&told, "needs")["link"].as_array().expect("needs").iter().map(name).collect::<Vec<_>>();
    assert_eq!(needs, ["compile[src/a.c]", "compile[src/b.c]"]);
    let bytes = |task: &Value| task["bytes"].as_array().and_then(|bytes| bytes.last()?.as_u64());
    let stored: Vec<_> = told["store"]["tasks"].as_array().expect("tasks").iter().map(bytes).collect();
    assert!(stored.len() == 5 && stored.iter().any(|bytes| *bytes > Some(0)), "{told:#}");
}

#[test]
fn reasons_that_are_no_change_are_told_too() {
    let ws = project();
    assert_eq!(field(&report(&ws), "reason")["link"], "it never succeeded here");
    ws.build(["-f", "link"]).reported(["link"]);
    assert_eq!(field(&report(&ws), "reason")["link"], "--force");
    ws.percache(["clear"]).succeeds();
    ws.build(["generate"]).reported(["generate"]);
    let told = report(&ws);
    assert_eq!(json!(field(&told, "reason")), json!({ "generate": "its result is not in the store" }));
    assert_eq!(field(&told, "outcome")["generate"], "cut_off");
}

#[test]
fn what_has_no_outputs_has_no_cutoff() {
    let ws = Sandbox::new("[task.check]\ncommand = \"@ran(check)\"\ninputs = [\"rules\"]");
    ws.write("rules", "1\n");
    ws.build([]).ran(["check"]);
    ws.write("rules", "2\n");
    ws.build([]).ran(["check"]);
    assert_eq!(field(&report(&ws), "outcome")["check"], "ran");
}

#[test]
fn a_build_with_nothing_to_do_leaves_no_trace() {
    let ws = project();
    let record = ws.shell("echo .percache/worktrees/*/builds");
    let (before, text) = (ws.modified(record.trim()), ws.read(record.trim()));
    for arguments in [&["build"][..], &["build", "--explain"], &["build", "-n"]] {
        ws.run(ws.command("").args(arguments)).succeeds().up_to_date(6);
    }
    assert_eq!((ws.modified(record.trim()), ws.read(record.trim())), (before, text));
    assert_eq!(report(&ws)["builds"].as_array().map(Vec::len), Some(1));
}

#[test]
fn without_a_build_there_is_no_report() {
    let ws = Sandbox::new(PROJECT);
    ws.percache(["report"]).fails().says(["no build is recorded", "hint:", "percache build"]);
    let ws = project();
    ws.write(ws.shell("echo .percache/worktrees/*/builds").trim(), "damage");
    ws.percache(["report"]).fails().says(["no build is recorded"]);
    ws.build([]).succeeds();
}

#[test]
fn the_page_goes_where_it_is_told() {
    let ws = project();
    let path = ws.percache(["report"]).succeeds().says(["a report of the build of"]).stdout;
    assert!(path.trim().ends_with("report.html") && Path::new(path.trim()).exists(), "{path}");
    ws.build([]).up_to_date(6);
    ws.percache(["report", "-o", "page.html"]).succeeds();
    let page = ws.percache(["report", "-o", "-"]).succeeds().stdout;
    assert_eq!(ws.read("page.html"), page);
    assert!(page.starts_with("<!doctype html>") && page.contains("compile[src/a.c]"));
    ws.percache(["report", "-o", "no/such/page.html"]).exits(2).says(["no/such/page.html"]);
}

// ---- in a browser ---------------------------------------------------------------------------------------------------

/// The document after these keys and what else a script does; `None` without a browser.
fn in_browser(ws: &Sandbox, script: &str) -> Option<String> {
    let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        let asked = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    });
    let Some(browser) = browser else {
        eprintln!("skipped: there is no Chromium to look at the page with");
        return None;
    };
    let helper =
        "const key = (id, k) => document.getElementById(id).dispatchEvent(new KeyboardEvent('keydown', { key: k }));
        const said = []; window.onerror = (message) => said.push(message);
        const detail = () => said.push(document.querySelector('#detail h2').textContent);
        setTimeout(() => { PAGE; document.documentElement.dataset.said = JSON.stringify(said); }, 200);"
            .replace("PAGE", script);
    let page = ws.percache(["report", "-o", "-"]).succeeds().stdout;
    ws.write("page.html", page.replace("</body>", &format!("<script>{helper}</script></body>")));
    let options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --virtual-time-budget=5000 --dump-dom";
    let output = Command::new(browser)
        .args(options.split_whitespace())
        .arg(format!("--user-data-dir={}", ws.outside("browser").display()))
        .arg(format!("file://{}", ws.path("page.html").display()))
        .output()
        .expect("starting the browser");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn said(document: &str) -> Vec<String> {
    let text = document.split("data-said=\"").nth(1).and_then(|rest| rest.split('"').next());
    serde_json::from_str(&text.unwrap_or_else(|| panic!("{document}")).replace("&quot;", "\"")).expect("JSON")
}

#[test]
fn the_page_works_with_the_keyboard() {
    let ws = project();
    let script = "
        key('graph-canvas', 'ArrowRight'); detail(); key('graph-canvas', 'ArrowDown'); detail(); key('graph-canvas', 'ArrowUp');
        for (let i = 0; i < 3; i += 1) { key('graph-canvas', 'ArrowRight'); detail(); }
        key('graph-canvas', 'ArrowLeft'); detail(); key('graph-canvas', 'Escape'); detail();
        key('timeline-canvas', 'ArrowRight'); detail(); key('timeline-canvas', 'Enter'); key('timeline-canvas', '-');
        document.querySelector('#filter').value = 'link'; document.querySelector('#filter').dispatchEvent(new Event('input'));
        said.push(document.querySelector('#count').textContent);
        document.querySelector('#graph-each').click(); key('graph-canvas', '0'); document.querySelector('#theme').click()";
    let Some(document) = in_browser(&ws, script) else { return };
    let said = said(&document);
    let chain: Vec<&str> = said.iter().map(String::as_str).collect();
    let first = chain[0];
    assert!(["generate", "bad"].contains(&first), "{chain:?}");
    assert_eq!(chain.len(), 9, "{chain:?}");
    assert!(chain[1] != first && ["generate", "bad"].contains(&chain[1]), "{chain:?}");
    assert_eq!(chain[6], "No task chosen");
    assert_eq!(chain[8], "1 task");
    assert!(document.contains("data-ready=\"7\"") && document.contains("data-theme=\"light\""));
}

#[test]
fn the_panel_of_a_failed_task_shows_its_log() {
    let ws = project();
    ws.edit_config("[ ! -e broken ]", "echo '<b>trouble</b>'; [ ! -e broken ]");
    ws.write("broken", "");
    ws.build(["-k"]).fails();
    let script = "key('graph-canvas', 'ArrowRight');
        if (document.querySelector('#detail h2').textContent !== 'bad') key('graph-canvas', 'ArrowDown');
        document.querySelectorAll('#detail pre').forEach((it) => said.push(it.textContent.replace(/[<>]/g, '|')))";
    let Some(document) = in_browser(&ws, script) else { return };
    assert_eq!(said(&document), ["echo '|b|trouble|/b|'; [ ! -e broken ]", "|b|trouble|/b|\n"]);
}

#[test]
fn the_page_bears_five_thousand_tasks() {
    let ws = project();
    let record = ws.shell("echo .percache/worktrees/*/builds");
    let head = ws.read(record.trim()).lines().next().expect("the builds").to_owned();
    let task = |i: u64| {
        json!({ "name": format!("t[src/file-{i}.c]"), "template": "t", "ending": if i.is_multiple_of(7) { "ran" } else { "up_to_date" },
            "began": i * 100, "took": 150, "saved": 1000, "bytes": 10, "needs": if i >= 10 { vec![i - 10, i / 2] } else { vec![] } })
    };
    let tasks: Vec<Value> = (0..5000).map(task).collect();
    ws.write(record.trim(), format!("{head}\n{}\n", json!(tasks)));
    let script = "document.querySelector('#graph-each').click(); key('timeline-canvas', 'ArrowRight'); key('graph-canvas', 'ArrowRight'); detail();
        said.push(document.querySelector('#count').textContent)";
    let Some(document) = in_browser(&ws, script) else { return };
    assert!(document.contains("data-ready=\"5000\""));
    let said = said(&document);
    assert!(said[0].starts_with("t[src/file-"), "{said:?}");
    assert_eq!(said[1], "5000 tasks");
}
