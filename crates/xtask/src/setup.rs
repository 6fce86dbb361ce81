//! `cargo xtask setup`: installs what is missing with apt, or says what to install.
//!
//! Knows nothing of what is needed, or why.

use std::process::Command;

use crate::packages::{ELSEWHERE, NEEDS, Need};
use crate::run::{Failure, Result, check, has_program, run};

/// Installs what is missing, and says so when nothing is.
pub fn setup() -> Result<()> {
    ensure()?;
    println!("Everything that percache needs is installed.");
    Ok(())
}

/// Installs what is missing; silent when nothing is.
pub fn ensure() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    check(has_program("apt-get"), || format!("missing: {}. To install: {ELSEWHERE}", names(&missing)))?;
    println!("Installing what is missing: {}", names(&missing));
    install(&missing)?;
    let still = self::missing();
    check(still.is_empty(), || format!("still missing after the installation: {}", names(&still)))
}

fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !(need.present)()).collect()
}

fn names(needs: &[&Need]) -> String {
    needs.iter().map(|need| need.name).collect::<Vec<_>>().join(", ")
}

fn install(needs: &[&Need]) -> Result<()> {
    let packages: Vec<&str> = needs.iter().map(|need| need.apt).collect();
    run(apt_get(&packages)?.arg("update"))?;
    run(apt_get(&packages)?.args(["install", "--yes", "--no-install-recommends"]).args(&packages))
}

/// `apt-get` that asks nothing, by root or through sudo.
fn apt_get(packages: &[&str]) -> Result<Command> {
    let mut command = Command::new(if is_root() { "env" } else { "sudo" });
    if !is_root() {
        check(has_program("sudo"), || {
            format!("neither root nor sudo: let an administrator run `apt-get install {}`", packages.join(" "))
        })?;
        command.arg("env");
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]);
    Ok(command)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().map_err(|error| Failure(error.to_string()));
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
