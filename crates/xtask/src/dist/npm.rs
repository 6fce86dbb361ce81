//! Two packages for npm: `percache-cli-SYSTEM` carries the binary, and `percache-cli` the command, which starts the binary that fits.
//! A system without a package of its own gets a message. No script runs at installation.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::archive::write;
use super::binary::Binary;
use super::{File, LICENSE, PACKAGE, SUMMARY, VERSION};
use crate::run::{Failure, Result};

/// Starts the binary. Signals reach it too, for it is of the same process group; what remains is to end as it does.
const LAUNCHER: &str = r#"#!/usr/bin/env node
"use strict";
const { spawnSync } = require("child_process");
const name = `PACKAGE-${process.platform}-${process.arch}`;
let binary;
try {
  binary = require.resolve(`${name}/bin/percache`);
} catch {
  console.error(`error: percache has no package for ${process.platform} on ${process.arch}`);
  console.error(`\nhint: if there is a package ${name}, install it: \`npm install\` leaves it out with --no-optional`);
  process.exit(2);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});
const ended = spawnSync(binary, process.argv.slice(2), { stdio: "inherit" });
if (ended.error) {
  console.error(`error: cannot start ${binary}: ${ended.error.message}`);
  process.exit(2);
}
process.exit(ended.status ?? 1);
"#;

/// Packs both; the one with the command first.
pub fn make(binary: &Binary, directory: &Path) -> Result<[PathBuf; 2]> {
    let (os, cpu) = system(&binary.target)?;
    let carrier = format!("{PACKAGE}-{os}-{cpu}");
    let mut about = about(&carrier, &format!("{SUMMARY} (the binary for {os} on {cpu})"));
    about["os"] = json!([os]);
    about["cpu"] = json!([cpu]);
    if binary.target.ends_with("-gnu") {
        about["libc"] = json!(["glibc"]);
    }
    let with_binary = pack(binary, directory, about, vec![File::executable("bin/percache", binary.bytes.clone())])?;

    let mut about = self::about(PACKAGE, SUMMARY);
    about["bin"] = json!({ "percache": "bin/percache.js" });
    about["man"] = binary.manuals.iter().map(|file| format!("./{}", file.path)).collect();
    about["optionalDependencies"] = json!({ &carrier: VERSION });
    let mut files = vec![File::executable("bin/percache.js", LAUNCHER.replace("PACKAGE", PACKAGE))];
    files.extend(binary.manuals.iter().cloned());
    Ok([pack(binary, directory, about, files)?, with_binary])
}

fn about(name: &str, description: &str) -> Value {
    json!({ "name": name, "version": VERSION, "description": description, "license": LICENSE })
}

fn pack(binary: &Binary, directory: &Path, about: Value, mut files: Vec<File>) -> Result<PathBuf> {
    let path = directory.join(format!("{}-{VERSION}.tgz", about["name"].as_str().unwrap_or_default()));
    files.push(File::new("package.json", format!("{about:#}\n")));
    files.extend(binary.documents.iter().cloned());
    let files: Vec<File> = files.iter().map(|file| file.below("package")).collect();
    write(&path, &files)?;
    Ok(path)
}

/// The system as Node.js names it.
fn system(target: &str) -> Result<(&'static str, &'static str)> {
    let unknown = || Failure(format!("npm has no name for {target}"));
    let os = [("linux", "linux"), ("darwin", "darwin"), ("windows", "win32")];
    let cpu = [("x86_64", "x64"), ("aarch64", "arm64"), ("riscv64", "riscv64")];
    let os = os.into_iter().find(|(part, _)| target.contains(part)).ok_or_else(unknown)?;
    let cpu = cpu.into_iter().find(|(part, _)| target.starts_with(part)).ok_or_else(unknown)?;
    Ok((os.1, cpu.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_have_the_names_of_node() {
        assert_eq!(system("x86_64-unknown-linux-gnu").unwrap(), ("linux", "x64"));
        assert_eq!(system("aarch64-apple-darwin").unwrap(), ("darwin", "arm64"));
        assert!(system("wasm32-unknown-unknown").is_err());
    }
}
