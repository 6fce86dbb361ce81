//! `cargo xtask …`: what a person does with this repository beyond plain cargo.
//!
//! Depends on nothing that asks for more than Rust, so that it builds before the system packages are there that percache needs.

mod bench;
mod demo;
mod dist;
mod fuzz;
mod packages;
mod project;
mod python;
mod run;
mod servers;
mod setup;
mod summary;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  setup   installs the system packages that building percache needs, where they are missing
  demo    builds percache and shows it at work on a real project
  test    checks formatting, lints, and runs all tests
  python  makes the wheel of the Python package, and tests it with the oldest and the newest Python; with --light,
          the wheel without RocksDB
  bench   measures percache beside other build tools and the machine itself; --tasks N, --files N, --runs N
  bench python  measures the Python package beside joblib, diskcache, cachier and the original
  bench remote  measures what a remote costs and brings; --tasks N, --files N, --runs N; PERCACHE_BENCH_LARGE=1: 3 GiB, too
  growth  measures percache with more tasks, files and bytes; takes half an hour and 10 GB: [tasks] [files] [bytes]
  instructions  counts percache's instructions with valgrind; --tasks N, --files N
  fuzz    looks for inputs that percache cannot stand, with libFuzzer: [TARGET|all] [SECONDS]; 60 by default
  dist    makes packages: an archive, a wheel for pip, packages for npm; with --check, installs and tries each";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["setup"] => setup::setup(),
        ["demo"] => demo::demo(),
        ["test"] => test::test(),
        ["python"] => python::python(python::Wheel::Whole),
        ["python", "--light"] => python::python(python::Wheel::Light),
        ["bench", "python"] => python::bench(),
        ["dist"] => dist::dist(false),
        ["dist", "--check"] => dist::dist(true),
        ["fuzz"] => fuzz::fuzz(None, "60"),
        ["fuzz", target] => fuzz::fuzz(Some(target), "60"),
        ["fuzz", "all", seconds] => fuzz::fuzz(None, seconds),
        ["fuzz", target, seconds] => fuzz::fuzz(Some(target), seconds),
        ["growth", ref series @ ..] => bench::growth(series),
        ["bench", "remote", ref rest @ ..] => {
            bench::Settings::parse(rest).and_then(|settings| bench::remote(&settings))
        }
        ["bench", ref rest @ ..] => bench::Settings::parse(rest).and_then(|settings| bench::bench(&settings)),
        ["instructions", ref rest @ ..] => {
            bench::Settings::parse(rest).and_then(|settings| bench::instructions(&settings))
        }
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
