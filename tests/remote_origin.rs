//! Where a result came from: every place that tells of results tells it, and why one was refused.

use std::process::Command;

use crate::sandbox::sharing::{self, REMOTE, bucket};
use crate::sandbox::{Run, Sandbox};

const CONFIG: &str = r#"
    [task.one]
    command = "@ran(one); cat in > mid"
    inputs = ["in"]
    outputs = ["mid"]

    [task.two]
    command = "@ran(two); cat mid mid > out"
    inputs = ["mid"]
    outputs = ["out"]
"#;

fn clones() -> Sandbox {
    sharing::clones(&["here", "there"], &[REMOTE, CONFIG].concat(), &["in"])
}

fn command(ws: &Sandbox, clone: &str, arguments: &[&str]) -> Command {
    sharing::command(ws, clone, &bucket(ws), arguments)
}

fn percache(ws: &Sandbox, clone: &str, arguments: &[&str]) -> Run {
    ws.run(&mut command(ws, clone, arguments))
}

fn fill(ws: &Sandbox) {
    ws.run(command(ws, "here", &["build"]).env("CACHE_WRITE", "true")).ran(["one", "two"]);
}

fn json(run: &Run) -> serde_json::Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.output()))
}

#[test]
fn it_is_told_by_everything_that_tells_of_results() {
    let ws = clones();
    let (url, from) = (bucket(&ws), format!("from {}", bucket(&ws)));
    fill(&ws);
    let run = percache(&ws, "there", &["build", "--explain"]).ran([]).restored(2);
    assert_eq!(run.stdout.matches(&from).count(), 2, "{}", run.output());
    assert!(run.stdout.contains("2 from the remote (9 B; saved "), "{}", run.output());
    percache(&ws, "there", &["why", "two"]).says(["fetched", &from]);
    let why = json(&percache(&ws, "there", &["why", "two", "--json"]));
    assert_eq!(
        (&why["last"]["origin"]["kind"], &why["last"]["origin"]["from"]),
        (&"remote".into(), &url.clone().into())
    );
    let report = json(&percache(&ws, "there", &["report", "--json"]));
    assert_eq!(report["build"]["from_remote"], 2);
    assert_eq!(report["tasks"][1]["fetched_from"], url);
    // What lies in the store by now still says so.
    ws.remove("there/out");
    percache(&ws, "there", &["build", "--explain"]).restored(1).says(["fetched", &from]);
    let here = json(&percache(&ws, "here", &["why", "two", "--json"]));
    assert!(here["last"]["made"].is_number() && here["last"]["origin"].is_null());
}

#[test]
fn a_result_that_is_made_again_here_is_from_here() {
    let ws = clones();
    fill(&ws);
    percache(&ws, "there", &["build"]).restored(2);
    percache(&ws, "there", &["build", "--force", "two"]).ran(["two"]);
    percache(&ws, "there", &["why", "two"]).does_not_say("fetched");
    percache(&ws, "there", &["why", "one"]).says(["fetched"]);
}

#[test]
fn events_and_statistics_count_what_came() {
    let ws = clones();
    fill(&ws);
    let run = percache(&ws, "there", &["build", "--json"]).succeeds();
    let events: Vec<serde_json::Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ended: Vec<_> = events.iter().filter(|event| event["event"] == "finished").collect();
    assert!(
        ended.iter().all(|event| event["from_remote"] == true && event["fetched_bytes"].as_u64() > Some(2)),
        "{}",
        run.output()
    );
    assert_eq!(ended[0]["origin"]["from"], bucket(&ws));
    let summary = events.last().unwrap();
    assert_eq!((&summary["from_remote"], &summary["fetched_bytes"]), (&2.into(), &9.into()));
    percache(&ws, "there", &["stats"]).says(["from the remote    2 results (9 B, saved "]);
    let stats = json(&percache(&ws, "here", &["stats", "--json"]));
    assert_eq!((&stats["remote"]["uploaded"], &stats["remote"]["misses"]), (&2.into(), &2.into()));
    // Without a remote there is nothing to count.
    ws.shell("rm -rf here/.percache here/mid here/out");
    ws.run(ws.command("here").arg("build")).ran(["one", "two"]);
    assert!(json(&percache(&ws, "here", &["stats", "--json"]))["remote"].is_null());
}

#[test]
fn why_a_result_was_refused_is_told_for_each_task() {
    let ws = clones();
    fill(&ws);
    let keys = percache(&ws, "here", &["remote", "key"]).succeeds().stdout;
    let public = keys.lines().find_map(|line| line.strip_prefix("public:")).unwrap().trim().to_owned();
    let mut build = command(&ws, "there", &["build", "--explain"]);
    let run = ws.run(build.env("PERCACHE_REMOTE_TRUST", public)).ran(["one", "two"]);
    let told = "the remote's result is not used: it is not signed";
    assert_eq!(run.stdout.matches(told).count(), 2, "{}", run.output());
    assert_eq!(run.stderr.matches("warning:").count(), 1, "{}", run.output());
    percache(&ws, "there", &["why", "two"]).says(["did not use the result that the remote has: it is not signed"]);
    let why = json(&percache(&ws, "there", &["why", "two", "--json"]));
    assert_eq!(why["refused"], "it is not signed");
    let report = json(&percache(&ws, "there", &["report", "--json"]));
    assert_eq!(report["tasks"][1]["refused"], "it is not signed");
    percache(&ws, "there", &["stats"]).says(["2 not used"]);
}

#[test]
fn a_content_that_is_gone_is_told() {
    let ws = clones();
    // Too large to be in the record.
    ["here/in", "there/in"].iter().for_each(|path| ws.write(path, "in\n".repeat(7_000)));
    fill(&ws);
    ws.shell("rm -r ../bucket/percache/v1/default/sha256/blobs");
    let run = percache(&ws, "there", &["build", "--explain"]).ran(["one", "two"]);
    assert!(run.stdout.contains("the remote's result is not used: the remote does not have"), "{}", run.output());
}

#[test]
fn a_dry_run_asks_the_remote_and_fetches_nothing() {
    let ws = clones();
    fill(&ws);
    let run = percache(&ws, "there", &["build", "-n"]).ran([]);
    assert!(run.stdout.contains("2 would be restored, 2 from the remote (9 B"), "{}", run.output());
    assert!(!ws.exists("there/mid") && !ws.exists("there/out"));
    percache(&ws, "there", &["build", "-n", "--no-remote"]).says(["would run"]);
    // Nothing was counted, and nothing was added.
    assert!(json(&percache(&ws, "there", &["stats", "--json"]))["remote"].is_null());
    ws.shell("rm -r ../bucket");
    percache(&ws, "there", &["build"]).ran(["one", "two"]);
}

#[test]
fn pull_fetches_for_the_inputs_of_now_and_leaves_the_tree_alone() {
    let ws = clones();
    fill(&ws);
    percache(&ws, "there", &["remote", "pull"]).succeeds().says(["fetched 2 results (9 B)"]).reported([]);
    assert!(!ws.exists("there/mid") && !ws.exists("there/out"));
    percache(&ws, "there", &["remote", "pull"]).says(["fetched 0 results (0 B), 2 here already"]);
    // Off the network from now on.
    ws.run(ws.command("there").args(["build", "--no-remote"])).ran([]).restored(2);
    ws.write("there/in", "other\n");
    let run = percache(&ws, "there", &["remote", "pull"]).succeeds();
    assert!(run.stdout.contains("not there  one") && run.stdout.contains("1 not on the remote"), "{}", run.output());
    assert!(run.stdout.contains("1 not looked up"), "{}", run.output());
    ws.run(ws.command("there").args(["remote", "pull"])).exits(2);
}

#[test]
fn pull_asks_tools_and_follows_what_was_discovered() {
    let ws = Sandbox::empty();
    let config = r#"
        [remote]
        url = "$CACHE"
        write = "$CACHE_WRITE"
        [task.t]
        command = "@ran(t); cat in h > out; echo out: in h > t.d"
        inputs = ["in"]
        outputs = ["out"]
        tools = ["cat --version"]
        depfile = "t.d"
    "#;
    for clone in ["here", "there"] {
        ws.config_in(clone, config);
        ["in", "h"].iter().for_each(|name| ws.write(&format!("{clone}/{name}"), "x\n"));
    }
    ws.run(command(&ws, "here", &["build"]).env("CACHE_WRITE", "true")).ran(["t"]);
    percache(&ws, "there", &["remote", "pull", "t"]).succeeds().says(["fetched 1 result "]);
    ws.run(ws.command("there").args(["build", "--no-remote"])).ran([]).restored(1);
}

#[test]
fn check_tries_rights_and_says_what_cannot_be_shared() {
    let ws = clones();
    ws.edit("here/percache.toml", "cat in > mid", "cat in > mid; pwd >> mid");
    let tried = ws.run(command(&ws, "here", &["remote", "check"]).env("CACHE_WRITE", "true")).succeeds();
    for line in
        ["writes             yes", "throughput", "clock              the same", "tied               none of 0 tasks"]
    {
        assert!(tried.stdout.contains(line), "{line}: {}", tried.output());
    }
    assert_eq!(ws.shell("find ../bucket -type f"), "", "something was left behind");
    fill(&ws);
    let run = percache(&ws, "here", &["remote", "check"]).succeeds();
    assert!(run.stdout.contains("writes             no: `write` of [remote] is not true here"), "{}", run.output());
    assert!(run.stdout.contains("2 of 2 results") && run.stdout.contains("one: `mid`; "), "{}", run.output());
    if !rustix_is_root() {
        ws.shell("chmod -R a-w ../bucket");
        let run = ws.run(command(&ws, "here", &["remote", "check"]).env("CACHE_WRITE", "true")).exits(1);
        assert!(run.stdout.contains("writes             no: "), "{}", run.output());
        ws.shell("chmod -R u+w ../bucket");
    }
}

fn rustix_is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}
