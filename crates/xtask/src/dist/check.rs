//! Tries the packages: each is installed into an empty directory, and the percache that comes out builds something, with nothing of the
//! caller's environment but PATH.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Packages, VERSION};
use crate::run::{Failure, Result, cargo, check as ensure, has_program, path_failure, run};

/// What a program does with the Python package.
const TRY_PACKAGE: &str = "import percache; cache = percache.Cache('c'); f = cache(lambda x: 2 * x); \
     assert f(2) == f(2) == 4 and cache.stats().hits == 1";

/// Tries all. A kind of package whose installer is not there is left out, and that is said.
pub fn check(packages: &Packages) -> Result<()> {
    let place = std::env::temp_dir().join(format!("percache-dist-{}", std::process::id()));
    let tried = attempts(packages, &place);
    // What cannot be removed is left to the system, which cleans its temporary directory.
    let _ = fs::remove_dir_all(&place);
    tried
}

fn attempts(packages: &Packages, place: &Path) -> Result<()> {
    let fresh = |name: &str| {
        let path = place.join(name);
        fs::create_dir_all(&path).map_err(|error| path_failure("create", &path, error)).map(|()| path)
    };
    use_percache(&from_archive(packages, &fresh("archive")?)?, &fresh("of-archive")?)?;
    if has_program("python3") {
        use_percache(&from_wheel(&packages.wheel, &fresh("wheel")?)?, &fresh("of-wheel")?)?;
        from_any_wheel(&packages.light_wheel, &fresh("light-wheel")?)?;
    } else {
        println!("The wheel is not tried: there is no python3.");
    }
    if has_program("npm") {
        use_percache(&from_npm(packages, &fresh("npm")?)?, &fresh("of-npm")?)?;
    } else {
        println!("The npm packages are not tried: there is no npm.");
    }
    use_percache(&from_source(&fresh("source")?)?, &fresh("of-source")?)?;
    println!("All of them install and work.");
    Ok(())
}

fn from_archive(packages: &Packages, place: &Path) -> Result<PathBuf> {
    run(Command::new("tar").arg("-xzf").arg(&packages.archive).arg("--strip-components=1").arg("-C").arg(place))?;
    has(place, &["share/man/man1/percache-build.1", "share/bash-completion/completions/percache"])?;
    has(place, &["share/doc/percache/LICENSE-MIT", "share/doc/percache/README.md"])?;
    Ok(place.join("bin/percache"))
}

fn from_wheel(wheel: &Path, place: &Path) -> Result<PathBuf> {
    from_any_wheel(wheel, place)?;
    has(place, &["share/man/man1/percache.1"])?;
    Ok(place.join("bin/percache"))
}

fn from_any_wheel(wheel: &Path, place: &Path) -> Result<()> {
    run(Command::new("python3").args(["-m", "venv"]).arg(place))?;
    let pip = place.join("bin/pip");
    run(Command::new(&pip).args(["install", "--quiet", "--no-index", "--no-deps"]).arg(wheel))?;
    run(Command::new(&pip).args(["show", "percache"]))?;
    run(Command::new(place.join("bin/python")).args(["-c", TRY_PACKAGE]).current_dir(place))
}

fn from_npm(packages: &Packages, place: &Path) -> Result<PathBuf> {
    let mut install = Command::new("npm");
    install.args(["install", "--global", "--offline", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]);
    run(install.arg(place).arg("--cache").arg(place.join("cache")).args(&packages.npm))?;
    Ok(place.join("bin/percache"))
}

fn from_source(place: &Path) -> Result<PathBuf> {
    run(cargo(["install", "--quiet", "--locked", "--path", "crates/percache-cli", "--root"]).arg(place))?;
    Ok(place.join("bin/percache"))
}

fn has(place: &Path, files: &[&str]) -> Result<()> {
    files
        .iter()
        .try_for_each(|file| ensure(place.join(file).is_file(), || format!("there is no {file} in the package")))
}

/// Builds something with it, twice; looks at its exit status when something is wrong.
fn use_percache(percache: &Path, place: &Path) -> Result<()> {
    let write = |name: &str, text: &str| {
        let path = place.join(name);
        fs::write(&path, text).map_err(|error| path_failure("write", &path, error))
    };
    write("in.txt", "b\na\n")?;
    write(
        "percache.toml",
        "[task.sorted]\ncommand = \"sort in.txt > out/sorted.txt\"\ninputs = [\"in.txt\"]\noutputs = [\"out/sorted.txt\"]\n",
    )?;
    let ask = |arguments: &[&str]| {
        let mut command = Command::new(percache);
        command.args(arguments).current_dir(place).env_clear().env("HOME", place);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let output = command.output().map_err(|error| path_failure("run", percache, error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = [&output.stdout[..], &output.stderr].concat();
        let context = format!("{} {}: {}", percache.display(), arguments.join(" "), String::from_utf8_lossy(&said));
        Ok::<_, Failure>((output.status.code(), text, context))
    };
    let says = |arguments: &[&str], status: i32, part: &str| {
        let (code, text, context) = ask(arguments)?;
        ensure(code == Some(status) && text.contains(part), || format!("not `{part}` with status {status}: {context}"))
    };
    says(&["--version"], 0, &format!("percache {VERSION}"))?;
    says(&["build"], 0, "1 ran")?;
    says(&["build"], 0, "1 up to date")?;
    says(&["build", "nothing"], 2, "")?;
    says(&["help", "caching"], 0, "fingerprint")
}
