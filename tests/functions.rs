//! `--cache FILE`: the commands that look after a cache of function results.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use percache::Cache;

use crate::sandbox::Sandbox;

/// A cache as a program leaves it: two functions, five results, three hits.
fn used(path: &Path) {
    fill(Cache::open(path).unwrap());
}

fn fill(cache: Cache) {
    let square = cache.wrap("square", |n: u64| {
        std::thread::sleep(Duration::from_millis(2));
        n * n
    });
    let greet = cache.wrap("greet", |name: String| format!("hello {name}"));
    for n in [1, 2, 3, 1, 1] {
        square.call(n);
    }
    for name in ["you", "world", "you"] {
        greet.call(name.into());
    }
    cache.close().unwrap();
}

fn json<const N: usize>(ws: &Sandbox, args: [&str; N]) -> serde_json::Value {
    let text = ws.percache(args).succeeds().stdout;
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

#[test]
fn stats_say_what_the_original_said_and_what_each_function_saved() {
    let ws = Sandbox::new("");
    used(&ws.path("results.cache"));
    let text = ws.percache(["stats", "--cache", "results.cache"]).succeeds().stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Number of cached results : 5");
    assert!(lines[1].starts_with("Oldest result usage age  : "), "{text}");
    assert!(lines[2].starts_with("Latest result usage age  : "), "{text}");
    assert!(lines[5].ends_with("square") && lines[6].ends_with("greet"), "{text}");

    let stats = json(&ws, ["stats", "--json", "--cache", "results.cache"]);
    let square = &stats["functions"][0];
    assert_eq!((&square["name"], &square["results"], &square["hits"]), (&"square".into(), &3.into(), &2.into()));
    assert!(square["seconds_saved"].as_f64().unwrap() >= 0.004, "{stats}");
}

#[test]
fn list_shows_each_result() {
    let ws = Sandbox::new("");
    used(&ws.path("results.cache"));
    let all = json(&ws, ["list", "--json", "--cache", "results.cache"]);
    assert_eq!(all.as_array().unwrap().len(), 5);
    let greet = json(&ws, ["list", "greet", "--json", "--cache", "results.cache"]);
    assert_eq!(greet.as_array().unwrap().len(), 2);
    assert_eq!(ws.percache(["list", "--cache", "results.cache"]).succeeds().stdout.lines().count(), 6);
}

#[test]
fn a_cache_of_files_is_looked_after_as_well() {
    let ws = Sandbox::new("");
    fill(Cache::open_files(ws.path("results.cache")).unwrap());
    let text = ws.percache(["stats", "--cache", "results.cache"]).succeeds().stdout;
    assert!(text.starts_with("Number of cached results : 5\n"), "{text}");
    ws.percache(["verify", "--repair", "--cache", "results.cache"]).succeeds();
    ws.percache(["clear", "greet", "--cache", "results.cache"]).succeeds();
    assert_eq!(json(&ws, ["stats", "--json", "--cache", "results.cache"])["results"], 3);
}

#[test]
fn clear_and_gc_remove_results() {
    let ws = Sandbox::new("");
    used(&ws.path("results.cache"));
    let results = || json(&ws, ["stats", "--json", "--cache", "results.cache"])["results"].as_u64().unwrap();
    ws.percache(["gc", "--cache", "results.cache"]).succeeds();
    ws.percache(["gc", "--maxsize", "0", "-n", "--cache", "results.cache"]).succeeds();
    ws.percache(["clear", "--maxage", "1h", "--cache", "results.cache"]).succeeds();
    assert_eq!(results(), 5);
    ws.percache(["clear", "greet", "--cache", "results.cache"]).succeeds();
    assert_eq!(results(), 3);
    ws.percache(["gc", "--maxsize", "100", "--cache", "results.cache"]).succeeds();
    assert_eq!(results(), 2);
    ws.percache(["clear", "--cache", "results.cache"]).succeeds();
    assert_eq!(results(), 0);
    let text = ws.percache(["stats", "--cache", "results.cache"]).succeeds().stdout;
    assert!(text.contains("The cache is empty"), "{text}");
}

#[test]
fn verify_checks_each_result() {
    let ws = Sandbox::new("");
    used(&ws.path("results.cache"));
    let text = ws.percache(["verify", "--cache", "results.cache"]).succeeds().stdout;
    assert_eq!(text, "5 results: all whole\n");
}

#[test]
fn looking_at_a_cache_that_is_not_there_makes_none() {
    let ws = Sandbox::new("");
    for command in ["stats", "list", "gc", "clear", "verify"] {
        ws.percache([command, "--cache", "nowhere"]).exits(1);
    }
    assert!(!ws.path("nowhere").exists());
}

/// Each file of the database in turn is damaged: `verify --repair` keeps what lay in the others, and whoever opens the cache then
/// gets right results.
#[test]
fn repair_keeps_what_is_whole_whatever_file_is_damaged() {
    let ws = Sandbox::new("");
    for part in 0..3u64 {
        // A session, and so files, for each part.
        let cache = Cache::open(ws.path("results.cache")).unwrap();
        let long = cache.wrap("long", |n: u64| noise(n));
        (10 * part..10 * part + 10).for_each(|n| drop(long.call(n)));
        cache.close().unwrap();
    }
    ws.shell("cp -a results.cache whole");
    let files = ws.shell("cd whole/db; ls *.sst *.blob CURRENT MANIFEST-*");
    assert!(files.lines().count() > 8, "{files}");
    let ways = ["rm $f", "truncate -s -9 $f", "printf X | dd of=$f bs=1 seek=77 conv=notrunc 2>&1"];
    for (file, damage) in files.lines().zip(ways.into_iter().cycle()) {
        ws.shell(&format!("rm -rf results.cache; cp -a whole results.cache; f=results.cache/db/{file}; {damage}"));
        let repaired = ws.percache(["verify", "--repair", "--cache", "results.cache"]).succeeds();
        ws.percache(["verify", "--cache", "results.cache"]).succeeds();
        let computed = std::sync::Arc::new(AtomicU64::new(0));
        let (cache, counter) = (Cache::open(ws.path("results.cache")).unwrap(), computed.clone());
        let long = cache.wrap("long", move |n: u64| {
            counter.fetch_add(1, Ordering::Relaxed);
            noise(n)
        });
        for n in 0..30 {
            assert_eq!(long.call(n), noise(n), "after `{damage}` of {file}");
        }
        let lost = computed.load(Ordering::Relaxed);
        assert!(lost <= 10, "{lost} of 30 results are lost after `{damage}` of {file}\n{}", repaired.output());
    }
}

fn noise(n: u64) -> Vec<u64> {
    (n..n + 4_000).map(|m| m.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect()
}

#[test]
fn the_packages_of_functions_of_one_name_are_told_apart() {
    let ws = Sandbox::new("");
    let cache = Cache::open(ws.path("results.cache")).unwrap();
    let named = percache::Package::named;
    let packages = [named("one"), named("two").version("1"), named("two").version("1").directory("/elsewhere")];
    for package in packages {
        cache.wrap("shared", |n: u64| n).package(package).call(1);
    }
    cache.wrap("own", |n: u64| n).package(named("one")).call(1);
    cache.close().unwrap();
    for command in ["list", "stats"] {
        let text = ws.percache([command, "--cache", "results.cache"]).succeeds().stdout;
        let ends = ["[one]", "[two 1]", "]"];
        assert!(
            ends.iter().all(|end| text.lines().any(|line| line.contains("shared") && line.ends_with(end))),
            "{text}"
        );
        assert!(text.contains("[two 1, source "), "{text}");
        assert!(text.lines().any(|line| line.contains("  own") && !line.contains('[')), "{text}");
    }
    let list = json(&ws, ["list", "own", "--json", "--cache", "results.cache"]);
    assert_eq!(list[0]["package"], "one");
    let stats = json(&ws, ["stats", "--json", "--cache", "results.cache"]);
    assert_eq!(stats["functions"].as_array().unwrap().len(), 4, "{stats}");
    assert!(stats["functions"].as_array().unwrap().iter().any(|f| f["package"] == "one" && f["name"] == "own"));
}
