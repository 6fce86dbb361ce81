//! What packages share and what not: programs of several packages are compiled, and each prints the keys of its results.
//!
//! The packages are made anew; what they have in common, percache above all, is compiled once and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TAX: &str = r#"
#[percache::memoize(cache = CACHE)]
fn tax(amount: u64) -> u64 { amount * rate() }
#[percache::memoize(cache = CACHE, name = "by version", share = "version")]
fn by_version(amount: u64) -> u64 { amount * rate() }
#[percache::memoize(cache = CACHE, name = "by package", share = "package")]
fn by_package(amount: u64) -> u64 { amount * rate() }
#[percache::memoize(cache = CACHE, name = "everyone", share = "everyone")]
fn everyone(amount: u64) -> u64 { amount * rate() }
#[percache::memoize(cache = CACHE, name = "handled", share = "source", handle, refresh_after = "1h", stale_if_error = "1h")]
fn handled(amount: u64) -> Result<u64, String> { Ok(amount * rate()) }
#[percache::memoize(cache = CACHE, name = "later", handle, refresh_after = "1h", maxage = AGE)]
async fn later(amount: u64) -> u64 { amount * rate() }
const AGE: std::time::Duration = std::time::Duration::from_secs(7_200);
static CACHE: std::sync::LazyLock<percache::Cache> = std::sync::LazyLock::new(percache::Cache::in_memory);
pub fn print() {
    tax(100);
    by_version(100);
    by_package(100);
    everyone(100);
    handled(100).unwrap();
    handled_entry(100).refresh().unwrap();
    assert_eq!(handled_cache().stats().unwrap().unwrap().results, 1);
    drop((later(100), later_entry(100), later_cache()));
    let mut entries = CACHE.entries().unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries.iter().for_each(|entry| println!("{} {}", entry.name, entry.key));
}
"#;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages")
}

/// Makes a package in this folder.
fn package(folder: &Path, name: &str, version: &str, dependencies: &str, files: &[(&str, &str)]) {
    let percache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../percache");
    let dependencies = dependencies
        .replace("PERCACHE", &format!("path = {percache:?}, default-features = false, features = [\"macros\"]"));
    let manifest = format!(
        "[package]\nname = {name:?}\nversion = {version:?}\nedition = \"2024\"\n[workspace]\n[dependencies]\n{dependencies}\n"
    );
    let _ = fs::remove_dir_all(folder);
    for (file, text) in [("Cargo.toml", manifest.as_str())].iter().chain(files) {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
}

/// Compiles and runs a program: the lines that it prints.
fn run(folder: &Path, arguments: &[&str]) -> Vec<String> {
    let output = cargo_run(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn cargo_run(folder: &Path, arguments: &[&str]) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline"]).args(arguments).current_dir(folder);
    cargo.env("CARGO_TARGET_DIR", self::folder().join("target")).output().unwrap()
}

fn rated(rate: u32) -> String {
    format!("fn rate() -> u64 {{ {rate} }}{TAX}fn main() {{ print() }}")
}

#[test]
fn packages_share_what_they_are_told_to_share() {
    let all = folder();
    let dependencies = "percache = { PERCACHE }";
    let program = |folder: &str, name: &str, version: &str, rate| {
        package(&all.join(folder), name, version, dependencies, &[("src/main.rs", &rated(rate))]);
        run(&all.join(folder), &[])
    };
    let one = program("one", "app", "1.0.0", 19);
    assert_eq!(one.len(), 5);
    let twin = program("twin", "app", "1.0.0", 7);
    let newer = program("newer", "app", "2.0.0", 7);
    let other = program("other", "other", "1.0.0", 7);
    let shared = |a: &[String], b: &[String]| -> Vec<String> {
        let common = a.iter().filter(|line| b.contains(line));
        common.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    assert_eq!(shared(&one, &twin), ["by package", "by version", "everyone"], "they are in two directories");
    assert_eq!(shared(&one, &newer), ["by package", "everyone"]);
    assert_eq!(shared(&one, &other), ["everyone"]);
    assert_eq!(program("one", "app", "1.0.0", 21), one, "the code of a helper is not known");
}

#[test]
fn a_library_and_a_program_of_one_name_are_apart() {
    let folder = folder().join("both");
    let library = format!("fn rate() -> u64 {{ 19 }}{TAX}");
    let program = rated(7).replace("print() }", "print(); both::print() }");
    let files = [("src/lib.rs", library.as_str()), ("src/main.rs", &program), ("examples/both.rs", &program)];
    package(&folder, "both", "1.0.0", "percache = { PERCACHE }", &files);
    let taxes =
        |lines: Vec<String>| lines.into_iter().filter(|line| line.starts_with("both::tax ")).collect::<Vec<_>>();
    let bin = taxes(run(&folder, &["--bin", "both"]));
    let example = taxes(run(&folder, &["--example", "both"]));
    assert_eq!((bin.len(), example.len()), (2, 2));
    assert_ne!(bin[0], bin[1]);
    assert_ne!(bin[0], example[0]);
    assert_eq!(bin[1], example[1], "the library is the same");
}

#[test]
fn the_functions_of_a_library_belong_to_the_library() {
    let all = folder();
    let library = format!("fn rate() -> u64 {{ 19 }}{TAX}");
    package(&all.join("library"), "library", "1.0.0", "percache = { PERCACHE }", &[("src/lib.rs", &library)]);
    let lines = ["first", "second"].map(|name| {
        let main = [("src/main.rs", "fn main() { library::print() }")];
        package(&all.join(name), name, "1.0.0", "library = { path = \"../library\" }", &main);
        run(&all.join(name), &[])
    });
    assert_eq!(lines[0], lines[1]);
}

#[test]
fn percache_is_found_under_another_name() {
    let all = folder();
    let renamed = rated(1).replace("percache::", "pc::");
    package(
        &all.join("renamed"),
        "renamed",
        "1.0.0",
        "pc = { package = \"percache\", PERCACHE }",
        &[("src/main.rs", &renamed)],
    );
    assert_eq!(run(&all.join("renamed"), &[]).len(), 5);
    let facade = [("src/lib.rs", "pub use percache;")];
    package(&all.join("facade"), "facade", "1.0.0", "percache = { PERCACHE }", &facade);
    let dependencies = "facade = { path = \"../facade\" }";
    let told =
        rated(1).replace("percache::", "facade::percache::").replace("(cache", "(crate = facade::percache, cache");
    package(&all.join("told"), "told", "1.0.0", dependencies, &[("src/main.rs", &told)]);
    assert_eq!(run(&all.join("told"), &[]).len(), 5);
    let untold = "#[facade::percache::memoize] fn f(n: u64) -> u64 { n } fn main() { f(1); }";
    package(&all.join("untold"), "untold", "1.0.0", dependencies, &[("src/main.rs", untold)]);
    let message = String::from_utf8(cargo_run(&all.join("untold"), &[]).stderr).unwrap();
    assert!(message.contains("say where that has percache: `crate = other::percache`"), "{message}");
    assert!(message.contains("could not compile `untold` (bin \"untold\") due to 1 previous error"), "{message}");
}
