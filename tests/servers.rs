//! Servers (`persistent = true`): started when a task needs them, ready before it runs, and ended after it.

use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{Background, Sandbox};
use crate::watch::Watch;

/// A port on which nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// A server that reads `page`, with a child of its own; `test` needs it.
fn site(port: u16, ready: &str) -> Sandbox {
    let ws = Sandbox::new(&format!(
        r#"
            [task.site]
            command = "@ran(site); python3 -u -m http.server {port} --bind 127.0.0.1 & wait"
            inputs = ["page"]
            persistent = true
            ready = {ready}

            [task.test]
            command = "@ran(test); python3 -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:{port}/page\").read().decode())'"
            inputs = ["test.py"]
            deps = ["site"]

            [task.dev]
            deps = ["site"]
        "#
    ));
    ws.write("page", "content\n");
    ws.write("test.py", "");
    ws
}

fn by_http(port: u16) -> String {
    format!("{{ http = \"http://127.0.0.1:{port}/page\" }}")
}

fn nothing_is_left(ws: &Sandbox, port: u16) {
    ws.wait_until("the server is gone", || !listens(port));
    ws.wait_for_orphans();
}

#[test]
fn it_runs_while_a_task_needs_it_and_not_when_the_task_is_up_to_date() {
    let port = free_port();
    for ready in [by_http(port), format!("{{ tcp = {port} }}"), "{ log = \"Serving HTTP\", timeout = 20 }".to_owned()] {
        let ws = site(port, &ready);
        // One job is enough: a server does not take its place.
        let run = ws.build(["-j", "1"]).succeeds().reported(["site", "test"]);
        assert_eq!(run.count("ran"), 1, "a server is no work that is done: {}", run.stdout);
        run.says(["site | Serving HTTP", "ready      site", "content", "stopped    site"]);
        nothing_is_left(&ws, port);
        ws.build([]).ran([]).up_to_date(1).does_not_say("site");
        // Known without looking at the journal alone, too.
        ws.touch("page");
        ws.build(["-v"]).ran([]).up_to_date(1);
        ws.write("page", "changed\n");
        ws.build(["-n"]).says(["would run     test", "would start   site"]).reported([]);
        ws.build([]).succeeds().reported(["site", "test"]).says(["changed"]);
        ws.write("page", "content\n");
        ws.build([]).ran([]).up_to_date(1);
        nothing_is_left(&ws, port);
    }
}

#[test]
fn it_is_there_until_the_last_task_that_needs_it_and_what_it_needs_itself_is_there_longer() {
    let ws = Sandbox::new(
        r#"
            [task.base]
            command = "@ran(base); trap 'test ! -e upper.up && rm base.up; exit' TERM; touch base.up; while :; do sleep 0.02; done"
            inputs = []
            persistent = true
            ready = { command = "test -e base.up" }

            [task.upper]
            command = "@ran(upper); trap 'sleep 0.3; rm upper.up; exit' TERM; test -e base.up; touch upper.up; while :; do sleep 0.02; done"
            inputs = []
            deps = ["base"]
            persistent = true
            ready = { command = "test -e upper.up" }

            [task.one]
            command = "@ran(one); test -e upper.up; sleep 0.1"
            inputs = []
            deps = ["upper"]

            [task.two]
            command = "@ran(two); test -e upper.up; sleep 0.3"
            inputs = []
            deps = ["upper"]
        "#,
    );
    for jobs in ["1", "4"] {
        ws.build(["-f", "-j", jobs]).succeeds().reported(["base", "one", "two", "upper"]);
        assert!(!ws.exists("base.up") && !ws.exists("upper.up"), "ended in order");
    }
}

/// A task that can never start does not keep a server, and what a server needs that stays is there as long as it is.
#[test]
fn nothing_is_waited_for_that_cannot_come() {
    let ws = Sandbox::new(
        r#"
            [task.base]
            command = "@ran(base); exec sleep 100"
            inputs = []
            persistent = true

            [task.upper]
            command = "@ran(upper); exec sleep 100"
            inputs = []
            deps = ["base"]
            persistent = true

            [task.bad]
            command = "sleep 0.2; exit 1"
            inputs = []

            [task.never]
            command = "@ran(never)"
            inputs = []
            deps = ["bad", "base"]

            [task.test]
            command = "@ran(test)"
            inputs = []
            deps = ["base"]
        "#,
    );
    let mut command = ws.command("");
    let ended = Background::start(command.args(["build", "-k"]), ws.outside("k")).finish(Duration::from_secs(20));
    assert!(ended.output.contains("1 failed, 1 ran, 1 skipped in "), "{}", ended.output);
    let mut command = ws.command("");
    let server = Background::start(command.args(["build", "upper"]), ws.outside("upper"));
    ws.wait_until("it serves", || server.text().contains("serving base, upper, until Ctrl-C"));
    kill_process(Pid::from_raw(server.id() as i32).unwrap(), Signal::INT).unwrap();
    assert_eq!(server.finish(Duration::from_secs(10)).status, Some(130));
    ws.wait_for_orphans();
}

#[test]
fn one_that_is_named_stays_until_ctrl_c_and_lets_other_builds_in() {
    let port = free_port();
    let ws = site(port, &by_http(port));
    let mut command = ws.command("");
    command.args(["build", "dev"]);
    let server = Background::start(&mut command, ws.outside("dev"));
    ws.wait_until("it serves", || server.text().contains("serving site, until Ctrl-C"));
    assert!(listens(port));
    // The worktree is free, but the port is not.
    let other = ws.build([]).fails().reported(["site"]);
    other.says([&format!("port {port} is in use already by process"), "skipped    test"]);
    kill_process(Pid::from_raw(server.id() as i32).unwrap(), Signal::INT).unwrap();
    let ended = server.finish(Duration::from_secs(10));
    assert_eq!(ended.status, Some(130), "{}", ended.output);
    assert!(ended.output.contains("stopped    site"), "{}", ended.output);
    nothing_is_left(&ws, port);
}

#[test]
fn a_bare_build_does_not_stay() {
    let ws = Sandbox::new(
        "[task.server]\ncommand = '@ran(server); sleep 100'\ninputs = []\npersistent = true\n[task.group]\ndeps = ['server']\n[task.a]\ncommand = '@ran(a)'\ninputs = []",
    );
    ws.build([]).ran(["a"]);
    ws.percache(["list", "server"]).says(["server  server"]);
    ws.percache(["why", "server"]).says(["server is a server: it runs while"]);
    ws.percache(["log", "server"]).exits(1).says(["it is a server"]);
}

/// There are no results of servers to compare, and all the same there is more to say than that a key is another one.
#[test]
fn why_says_how_a_server_changed() {
    let ws = Sandbox::new(
        r#"
        [task.server]
        command = "echo ready; exec sleep 100"
        inputs = ["conf", "made"]
        env = { MODE = "one" }
        persistent = true
        ready = { log = "ready" }
        [task.made]
        command = "@ran(made); cp from made"
        inputs = ["from"]
        outputs = ["made"]
        [task.test]
        command = "@ran(test)"
        inputs = []
        deps = ["server"]
        "#,
    );
    ws.write("conf", "one\n");
    ws.write("from", "one\n");
    ws.build(["test"]).ran(["made", "test"]);
    ws.percache(["why", "server"]).says(["server is a server"]).does_not_say("differs");
    ws.edit_config("exec sleep 100", "exec sleep 101");
    ws.edit_config("MODE = \"one\"", "MODE = \"two\"");
    ws.write("conf", "two\n");
    let differs = [
        "its command changed (percache.toml:2)\n",
        "- echo ready; exec sleep 100\n",
        "+ echo ready; exec sleep 101\n",
        "variable MODE changed\n",
        "conf changed, line 1\n",
    ];
    let of_server = ws.percache(["why", "server"]).succeeds().says(differs);
    of_server.says(["it differs from what it was in the last build in this:"]);
    let chain = "dependency `server` changed ← server changed: its command changed, and 2 more";
    ws.percache(["why", "test"]).succeeds().says(differs).says([&format!("test would run: {chain}\n")]);
    // A key says nothing to people.
    let key = "dependency `server` changed\n      - ";
    ws.percache(["why", "test"]).does_not_say(key);
    ws.percache(["why", "-v", "test"]).says([key]);
    ws.build(["test"]).ran(["test"]);
    ws.percache(["why", "test"]).succeeds().says(differs).says([&format!("test was made anew: {chain}\n")]);
    ws.percache(["why"]).says(["of the server `server`, its command changed, and 2 more: 1 task"]);
    ws.percache(["why", "--json", "test"]).says(["\"state\": \"changed\"", "exec sleep 101"]);
    ws.percache(["why", "server"]).does_not_say("differs");
    // Behind an input that a task makes is that task.
    ws.write("from", "two\n");
    ws.build(["test"]).ran(["made", "test"]);
    let chain = "dependency `server` changed ← server changed: made changed, line 1 ← made was made anew: from changed";
    ws.percache(["why", "test"]).says([chain]);
    ws.percache(["why"]).says(["from changed, line 1: 2 tasks"]);
}

#[test]
fn a_killed_percache_leaves_no_server_behind() {
    let port = free_port();
    let ws = site(port, &by_http(port));
    let mut command = ws.command("");
    let mut child = command.args(["build", "dev"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    ws.wait_until("it serves", || listens(port));
    child.kill().unwrap();
    child.wait().unwrap();
    nothing_is_left(&ws, port);
}

#[test]
fn one_that_fails_says_how_and_shows_its_log() {
    let server = |command: &str, ready: &str| {
        format!(
            "[task.server]\ncommand = \"{command}\"\ninputs = []\npersistent = true\n{ready}\n\
             [task.test]\ncommand = \"@ran(test); touch began; sleep 20\"\ninputs = []\ndeps = [\"server\"]"
        )
    };
    let never = "ready = { tcp = 1, timeout = \"1s\" }";
    let ws = Sandbox::new(&server("echo no database; exit 3", never));
    let run = ws.build([]).fails().reported([]);
    run.says([
        "failed     server (it ended with exit status 3 before it was ready",
        "no database",
        "1 failed, 1 skipped",
    ]);
    ws.percache(["log", "server"]).succeeds().says(["no database"]);
    ws.percache(["list", "server"]).says(["failed"]);

    let ws = Sandbox::new(&server("echo waiting; sleep 100", never));
    let run = ws.build([]).fails().reported([]);
    run.says(["it was not ready within 1.00s: localhost:1: nothing listens there", "waiting", "`timeout` in `ready`"]);
    ws.wait_for_orphans();

    // It dies while the task runs, which is then ended and not waited for.
    let ws = Sandbox::new(&server("echo here; while [ ! -e began ]; do sleep 0.02; done; sleep 0.1; exit 0", ""));
    let start = Instant::now();
    let run = ws.build([]).fails().reported(["test"]);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    run.says([
        "it ended with exit status 0 while `test` needed it",
        "failed     test (its server `server` ended while it ran",
    ]);
    ws.wait_for_orphans();
}

#[test]
fn a_result_is_not_stored_if_what_its_server_reads_changed_meanwhile() {
    let port = free_port();
    let ws = site(port, &by_http(port));
    ws.edit_config("@ran(test);", "@ran(test); echo more >> page;");
    ws.build([]).succeeds().says(["`test` is not stored: of its server `site`, page changed while it ran"]);
    nothing_is_left(&ws, port);
}

#[test]
fn watch_restarts_it_when_what_it_needs_changed_and_not_otherwise() {
    let port = free_port();
    let ws = site(port, &by_http(port));
    ws.edit_config(
        "[task.dev]",
        "[task.other]\ncommand = \"@ran(other); cat other\"\ninputs = [\"other\"]\n[task.dev]",
    );
    ws.write("other", "1");
    let mut watch = Watch::start(&ws, &["dev", "other"]);
    ws.wait_until("it serves", || listens(port));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(ws.newly_tallied(), ["other", "site"]);
    ws.write("other", "2");
    let tally = std::cell::RefCell::new(Vec::new());
    let until = |names: &[&str]| {
        ws.wait_until(&format!("{names:?} ran"), || {
            tally.borrow_mut().extend(ws.newly_tallied());
            *tally.borrow() == names
        });
    };
    until(&["other"]);
    std::thread::sleep(Duration::from_millis(500));
    assert!(listens(port));
    ws.write("page", "changed");
    until(&["other", "site"]);
    ws.wait_until("it serves again", || listens(port));
    assert_eq!(watch.interrupt(), Some(130));
    nothing_is_left(&ws, port);
}

#[test]
fn programs_are_told() {
    let port = free_port();
    let ws = site(port, &by_http(port));
    let run = ws.build(["--json", "--junit", "junit.xml"]).succeeds();
    let events: Vec<serde_json::Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_site: Vec<_> = events.iter().filter(|event| event["task"] == "site").map(|event| &event["event"]).collect();
    assert_eq!((of_site[0], of_site.last().unwrap().as_str()), (&serde_json::json!("started"), Some("stopped")));
    assert!(of_site.iter().any(|event| *event == "ready") && of_site.iter().any(|event| *event == "output"));
    assert!(!ws.read("junit.xml").contains("\"site\""), "{}", ws.read("junit.xml"));
}

#[test]
fn mistakes_are_told() {
    let server = |keys: &str| format!("[task.a]\ncommand = 'x'\n{keys}");
    for (keys, says) in [
        ("persistent = true\noutputs = ['out/']", "is persistent and cannot have `outputs`"),
        ("persistent = true\ninteractive = true", "is persistent and cannot have `interactive`"),
        ("persistent = true\nretries = 2", "is persistent and cannot have `retries`"),
        ("persistent = true\ntimeout = '1m'", "is persistent and cannot have `timeout`"),
        ("persistent = true\ncache = true", "is persistent and cannot be cached"),
        ("persistent = true\nvalid_for = '1d'", "`valid_for` has no effect"),
        ("ready = { tcp = 1 }", "has `ready` but is not `persistent`"),
        ("persistent = true\nready = { tcp = 1, log = 'x' }", "`ready` names two signs"),
        ("persistent = true\nready = { timeout = '1m' }", "`ready` names no sign"),
        ("persistent = true\nready = { tpc = 1 }", "did you mean `tcp`?"),
        ("persistent = true\nready = { tcp = 70000 }", "`70000` is not a port"),
        ("persistent = true\nready = { http = 'https://localhost/' }", "`ready` does not speak https"),
        ("persistent = true\nready = { http = 'localhost:3000' }", "is not an address for http"),
        ("persistent = true\nready = { tcp = 1, timeout = 'soon' }", "`ready.timeout` is not an age"),
    ] {
        Sandbox::new(&server(keys)).build([]).exits(2).says([says]);
    }
}
