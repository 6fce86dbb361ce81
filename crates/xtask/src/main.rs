//! `cargo xtask …`: what a person does with this repository beyond plain cargo.
//!
//! Depends on nothing but the standard library, so that it builds before the system packages are there that percache needs.

mod demo;
mod packages;
mod project;
mod run;
mod setup;
mod summary;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  setup   installs the system packages that building percache needs, where they are missing
  demo    builds percache and shows it at work on a real project
  test    checks formatting, lints, and runs all tests";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["setup"] => setup::setup(),
        ["demo"] => demo::demo(),
        ["test"] => test::test(),
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
