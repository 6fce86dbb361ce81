//! `gc`, `clear`, `stats` and `verify`: what they remove, report and find.

use std::time::Duration;

use crate::sandbox::Sandbox;

/// A task with a few hundred kilobytes of output that do not compress, made from a number.
const NOISE: &str = r#"
    [task.noise]
    command = "@ran(noise); awk -v s=$(cat seed) 'BEGIN { srand(s); for (i = 0; i < 60000; i++) printf \"%c%c%c%c%c\", rand()*256, rand()*256, rand()*256, rand()*256, rand()*256 }' > out/noise"
    inputs = ["seed"]
    outputs = ["out/noise"]
"#;

/// Results for several seeds, the last of which is the current one.
fn with_results(seeds: &[u32]) -> Sandbox {
    let ws = Sandbox::new(NOISE);
    for seed in seeds {
        ws.write("seed", seed.to_string());
        ws.build([]).ran(["noise"]);
    }
    ws
}

/// Bytes on disk, as `du` counts them.
fn disk_usage(ws: &Sandbox) -> u64 {
    let text = ws.shell("du -sk .percache");
    text.split_whitespace().next().and_then(|size| size.parse().ok()).expect("a size")
}

fn results(ws: &Sandbox) -> u64 {
    let json = ws.percache(["stats", "--json"]).succeeds().stdout;
    let stats: serde_json::Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("not JSON: {json}"));
    stats["results"].as_u64().unwrap_or_else(|| panic!("no number of results in {json}"))
}

fn has_result(ws: &Sandbox, seed: u32) -> bool {
    ws.write("seed", seed.to_string());
    ws.build([]).succeeds().commands.is_empty()
}

#[test]
fn gc_by_age_removes_what_was_not_used_and_gives_the_disk_space_back() {
    let ws = with_results(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let before = disk_usage(&ws);
    std::thread::sleep(Duration::from_millis(3100));
    assert!(has_result(&ws, 3), "and with that, 3 was just used");
    ws.percache(["gc", "--maxage", "2s", "-n"]).succeeds();
    assert_eq!(results(&ws), 8, "a dry run removes nothing");
    ws.percache(["gc", "--maxage", "2s"]).succeeds();
    assert_eq!(results(&ws), 1);
    let after = disk_usage(&ws);
    assert!(after * 2 < before, "{before} KiB before, {after} KiB after");
    assert!(has_result(&ws, 3) && !has_result(&ws, 8));
}

#[test]
fn a_build_that_finds_everything_up_to_date_is_a_use() {
    let ws = with_results(&[1]);
    std::thread::sleep(Duration::from_millis(3100));
    ws.build([]).ran([]).up_to_date(1);
    ws.percache(["gc", "--maxage", "2s"]).succeeds();
    ws.remove("out");
    ws.build([]).ran([]).restored(1);
}

#[test]
fn gc_by_size_removes_the_least_recently_used_first() {
    let ws = with_results(&[1, 2, 3, 4, 5, 6]);
    std::thread::sleep(Duration::from_millis(1100));
    assert!(has_result(&ws, 1));
    ws.percache(["gc", "--maxsize", "700kB"]).succeeds();
    assert!(disk_usage(&ws) < 1200, "{}", disk_usage(&ws));
    ws.write("seed", "other");
    assert!(has_result(&ws, 1), "the one that was used last stays");
    assert!(!has_result(&ws, 2), "the one that was not used for longest goes");
}

#[test]
fn gc_without_limits_keeps_every_result() {
    let ws = with_results(&[1, 2]);
    ws.percache(["gc"]).succeeds();
    assert!(has_result(&ws, 1) && has_result(&ws, 2));
}

#[test]
fn gc_runs_by_itself_after_a_build_at_most_once_a_day() {
    let ws = Sandbox::new(&format!("[cache]\nmaxage = \"1s\"\n{NOISE}"));
    for seed in [1, 2] {
        ws.write("seed", seed.to_string());
        ws.build([]).ran(["noise"]);
        std::thread::sleep(Duration::from_millis(1100));
    }
    assert!(has_result(&ws, 1), "the day is not over");
}

#[test]
fn clear_removes_all_old_or_named_results() {
    let ws = Sandbox::new("[task.a]\ncommand = \"@ran(a)\"\ninputs = []\n[task.b]\ncommand = \"@ran(b)\"\ninputs = []");
    ws.build([]).ran(["a", "b"]);
    ws.percache(["clear", "a"]).succeeds();
    ws.build([]).ran(["a"]).up_to_date(1);
    ws.percache(["clear", "--maxage", "1h"]).succeeds();
    ws.build([]).ran([]);
    ws.percache(["clear"]).succeeds();
    assert_eq!(results(&ws), 0);
    ws.build([]).ran(["a", "b"]);
    ws.percache(["clear", "c"]).exits(2);
}

#[test]
fn clear_leaves_the_outputs_in_the_tree() {
    let ws = with_results(&[1]);
    ws.percache(["clear"]).succeeds();
    assert!(ws.exists("out/noise"));
    ws.build([]).ran(["noise"]);
}

#[test]
fn stats_count_results() {
    let ws = with_results(&[1, 2]);
    assert_eq!(results(&ws), 2);
    ws.percache(["stats"]).succeeds().says(["2"]);
    let empty = Sandbox::new(NOISE);
    empty.percache(["stats"]).succeeds();
    assert_eq!(results(&empty), 0);
}

#[test]
fn verify_finds_and_repairs_damage() {
    let ws = with_results(&[1, 2]);
    ws.percache(["verify"]).succeeds();
    let script = "for f in $(find .percache -type f -size +100k); do printf XXXXXXXX | dd of=$f bs=1 seek=50000 conv=notrunc 2>&1; done";
    assert_ne!(ws.shell(script), "", "there is something to damage");
    ws.percache(["verify"]).exits(1);
    ws.percache(["verify", "--repair"]).succeeds();
    ws.percache(["verify"]).succeeds();
    ws.remove("out");
    ws.build([]).succeeds();
    ws.same_as_clean();
}
