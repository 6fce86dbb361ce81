//! A wheel that carries the binary, for `pip install`: a zip with a list of its files and their digests.
//!
//! <https://packaging.python.org/en/latest/specifications/binary-distribution-format/>

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;

use super::binary::Binary;
use super::{File, LICENSE, PACKAGE, SUMMARY, VERSION};
use crate::run::{Failure, Result, path_failure};

/// Packs the wheel.
pub fn make(binary: &Binary, directory: &Path) -> Result<PathBuf> {
    // In names of files, `-` separates parts.
    let name = format!("{}-{VERSION}", PACKAGE.replace('-', "_"));
    let tag = format!("py3-none-{}", platform(&binary.target, &binary.bytes)?);
    let (data, info) = (format!("{name}.data"), format!("{name}.dist-info"));
    let mut files = vec![File::executable(format!("{data}/scripts/percache"), binary.bytes.clone())];
    files.extend(binary.manuals.iter().map(|file| file.below(&format!("{data}/data/share/man"))));
    files.extend(binary.completions.iter().map(|file| file.below(&format!("{data}/data/share"))));
    let licences = binary.documents.iter().filter(|file| file.path.starts_with("LICENSE"));
    files.extend(licences.map(|file| file.below(&format!("{info}/licenses"))));
    files.push(File::new(format!("{info}/METADATA"), metadata(binary)));
    let wheel = format!("Wheel-Version: 1.0\nGenerator: percache-xtask\nRoot-Is-Purelib: false\nTag: {tag}\n");
    files.push(File::new(format!("{info}/WHEEL"), wheel));
    let record = record(&files, &format!("{info}/RECORD"));
    files.push(File::new(format!("{info}/RECORD"), record));
    let path = directory.join(format!("{name}-{tag}.whl"));
    let bytes = zipped(&files).map_err(|error| Failure(format!("cannot make the wheel: {error}")))?;
    fs::write(&path, bytes).map_err(|error| path_failure("write", &path, error))?;
    Ok(path)
}

fn metadata(binary: &Binary) -> String {
    let readme = binary.documents.iter().find(|file| file.path == "README.md");
    let readme = readme.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default();
    format!(
        "Metadata-Version: 2.4\nName: {PACKAGE}\nVersion: {VERSION}\nSummary: {SUMMARY}\nLicense-Expression: {LICENSE}\n\
         License-File: LICENSE-MIT\nLicense-File: LICENSE-APACHE\nRequires-Python: >=3.7\n\
         Description-Content-Type: text/markdown\n\n{readme}"
    )
}

/// Of each file its path, digest and length; of the record itself the path.
fn record(files: &[File], own: &str) -> String {
    let line = |file: &File| {
        format!("{},sha256={},{}\n", file.path, BASE64URL_NOPAD.encode(&Sha256::digest(&file.bytes)), file.bytes.len())
    };
    files.iter().map(line).chain([format!("{own},,\n")]).collect()
}

fn zipped(files: &[File]) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for file in files {
        let mode = if file.executable { 0o755 } else { 0o644 };
        zip.start_file(&*file.path, SimpleFileOptions::default().unix_permissions(mode))?;
        zip.write_all(&file.bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// For which systems the binary is, as pip names them.
fn platform(target: &str, binary: &[u8]) -> Result<String> {
    let (architecture, system) = target.split_once('-').unwrap_or((target, ""));
    match system {
        "unknown-linux-gnu" => Ok(format!("manylinux_2_{}_{architecture}", least_glibc(binary))),
        "unknown-linux-musl" => Ok(format!("musllinux_1_2_{architecture}")),
        "apple-darwin" if architecture == "aarch64" => Ok("macosx_11_0_arm64".into()),
        "apple-darwin" => Ok(format!("macosx_11_0_{architecture}")),
        "pc-windows-msvc" => Ok("win_amd64".into()),
        _ => Err(Failure(format!("wheels have no name for {target}"))),
    }
}

/// The least version 2.N of glibc that has everything that the binary asks for: the highest that its table of symbols names.
fn least_glibc(binary: &[u8]) -> u32 {
    const MARK: &[u8] = b"GLIBC_2.";
    let versions = binary.windows(MARK.len() + 3).filter(|window| window.starts_with(MARK)).filter_map(|window| {
        let digits: String =
            window[MARK.len()..].iter().map(|byte| *byte as char).take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    versions.max().unwrap_or(17)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_names_every_file_and_itself() {
        let record = record(&[File::new("a", "x")], "RECORD");
        assert_eq!(record, "a,sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,1\nRECORD,,\n");
    }

    #[test]
    fn the_platform_says_which_systems_have_the_libraries() {
        let binary = b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0";
        assert_eq!(platform("x86_64-unknown-linux-gnu", binary).unwrap(), "manylinux_2_34_x86_64");
        assert_eq!(platform("aarch64-apple-darwin", b"").unwrap(), "macosx_11_0_arm64");
        assert!(platform("riscv32-none", b"").is_err());
    }
}
