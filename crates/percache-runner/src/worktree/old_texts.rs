//! Copies of small text inputs, so that `why` can show which lines changed: the store knows only the digest of an
//! input.
//!
//! One file per worktree, limited in size. A build in which something ran or was restored adds the texts that were
//! edited last; no build depends on them, and losing them makes explanations less detailed. Outputs are not copied,
//! because the store has them. Files that only their owner may read are not copied either, nor is anything with the
//! content of an `env_file`: of the values of variables, only digests are kept.
//!
//! ```text
//! "percache texts 2\n", then of each text, the oldest first: digest(20) length(4) bytes
//! ```

use std::collections::{BinaryHeap, HashMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use percache::Digest;
use percache::base::codec::{Decoder, Encode};
use percache::base::files::{self, Durability};
use rustix::fs::FileType;

use crate::fs::mapped_file::Image;
use crate::fs::stamp::Stamp;
use crate::fs::stat_table::Seen;

/// Incremented also to discard texts that are no longer to be kept.
const MAGIC: &[u8] = b"percache texts 2\n";
/// The size above which texts are not copied.
pub const LONGEST: u64 = 32 << 10;
/// The largest number of texts that are copied after one build, those that changed last.
const AT_ONCE: usize = 256;
/// The size to which a file is cut when it has grown to twice this.
const KEPT: usize = 2 << 20;

/// The texts of a worktree, read when the first is needed.
pub struct Texts {
    path: PathBuf,
    read: OnceLock<HashMap<Digest, String>>,
}

impl Texts {
    /// Refers to the texts in the file at `path`.
    pub fn at(path: PathBuf) -> Texts {
        Texts { path, read: OnceLock::new() }
    }

    /// Returns the text with this digest.
    pub fn get(&self, digest: &Digest) -> Option<&str> {
        let read = self.read.get_or_init(|| {
            let bytes = fs::read(&self.path).unwrap_or_default();
            let texts = records(&bytes).0.into_iter();
            texts.filter_map(|(digest, text)| Some((digest, String::from_utf8(text.to_vec()).ok()?))).collect()
        });
        // A power cut may have mixed up the bytes, so the digest is checked.
        read.get(digest).map(String::as_str).filter(|text| Digest::of(text.as_bytes()) == *digest)
    }
}

/// Adds the texts among `seen` that changed last to the file at `path`. `is_wanted` says which paths, relative to
/// `root`, are inputs; contents with one of the digests in `secret` are left out.
pub fn keep(
    path: &Path,
    root: &Path,
    seen: &[(Vec<u8>, Seen)],
    secret: &HashSet<Digest>,
    is_wanted: &dyn Fn(&[u8]) -> bool,
) -> io::Result<()> {
    let text = |(path, seen): &'_ (Vec<u8>, Seen)| {
        let found = Some((seen.stamp?, seen.digest?));
        found.filter(|(stamp, digest)| may_be_kept(path, stamp) && !secret.contains(digest))
    };
    // A heap is used because all outputs of a first build are newer than its inputs, and few of the older files are
    // examined.
    let mut candidates: BinaryHeap<Candidate<'_>> = seen
        .iter()
        .filter_map(|seen| text(seen).map(|(stamp, digest)| (stamp.mtime, seen.0.as_slice(), digest)))
        .collect();
    let newest_first = std::iter::from_fn(|| candidates.pop());
    let newest: Vec<_> = newest_first.filter(|(_, path, _)| is_wanted(path)).take(AT_ONCE).collect();
    let before = match Image::of(path) {
        Ok(image) => image,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Image::default(),
        Err(e) => return Err(e),
    };
    let (kept, whole) = records(&before);
    let has: HashSet<Digest> = kept.iter().map(|(digest, _)| *digest).collect();
    let mut added = Vec::new();
    // The text that was edited last is the last to be dropped.
    for (_, path, digest) in newest.into_iter().rev().filter(|(.., digest)| !has.contains(digest)) {
        if let Ok(text) = fs::read(root.join(as_path(path)))
            && std::str::from_utf8(&text).is_ok_and(|text| !text.contains('\0'))
            && Digest::of(&text) == digest
        {
            encode(&digest, &text, &mut added);
        }
    }
    if added.is_empty() {
        return Ok(());
    }
    let grown = before.len() + added.len();
    if whole == before.len() && !before.is_empty() && grown <= 2 * KEPT {
        return files::private().append(true).open(path)?.write_all(&added);
    }
    replace(path, &kept, &added)
}

/// Rewrites the file with the newest texts, as many as fit.
fn replace(path: &Path, kept: &[(Digest, &[u8])], added: &[u8]) -> io::Result<()> {
    let mut room = KEPT.saturating_sub(added.len());
    let fits = |(_, text): &&(Digest, &[u8])| {
        let fits = text.len() + 24 <= room;
        room = if fits { room - text.len() - 24 } else { 0 };
        fits
    };
    let mut newest: Vec<_> = kept.iter().rev().take_while(fits).collect();
    newest.reverse();
    let mut bytes = MAGIC.to_vec();
    newest.into_iter().for_each(|(digest, text)| encode(digest, text, &mut bytes));
    bytes.extend_from_slice(added);
    files::replace(path, &bytes, Durability::Volatile)
}

/// The modification time, path and digest of a text; the newest is the greatest.
type Candidate<'a> = (i64, &'a [u8], Digest);

fn may_be_kept(path: &[u8], stamp: &Stamp) -> bool {
    let private = stamp.mode & 0o077 == 0;
    let small = (1..=LONGEST).contains(&stamp.size);
    small && !private && stamp.file_type() == FileType::RegularFile && !path.starts_with(b"/")
}

/// Converts the bytes of a path.
pub fn as_path(path: &[u8]) -> &Path {
    Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path))
}

fn encode(digest: &Digest, text: &[u8], to: &mut Vec<u8>) {
    to.digest(digest);
    to.bytes(text);
}

/// Decodes the texts in a file. Also returns how many bytes of it are valid.
fn records(bytes: &[u8]) -> (Vec<(Digest, &[u8])>, usize) {
    let mut records = Vec::new();
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return (records, 0) };
    let (mut from, mut whole) = (Decoder::new(rest), MAGIC.len());
    while let (Ok(digest), Ok(text)) = (from.digest(), from.bytes()) {
        whole += 24 + text.len();
        records.push((digest, text));
    }
    (records, whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::stamp::Stamp;
    use std::os::unix::fs::PermissionsExt;

    struct Place {
        dir: tempfile::TempDir,
        seen: Vec<(Vec<u8>, Seen)>,
    }

    impl Place {
        fn new() -> Place {
            Place { dir: tempfile::tempdir().unwrap(), seen: Vec::new() }
        }

        fn write(&mut self, name: &str, text: &[u8], mode: u32) {
            let path = self.dir.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let stamp = Stamp::at(&path).unwrap().unwrap();
            self.seen.retain(|(path, _)| path != name.as_bytes());
            let seen = Seen { stamp: Some(stamp), digest: Some(Digest::of(text)), settled: true };
            self.seen.push((name.into(), seen));
        }

        fn file(&self) -> PathBuf {
            self.dir.path().join("texts")
        }

        fn keep(&self) {
            let secret = HashSet::from([Digest::of(b"TOKEN=x")]);
            keep(&self.file(), self.dir.path(), &self.seen, &secret, &|path| !path.starts_with(b"output")).unwrap();
        }

        fn has(&self, text: &[u8]) -> bool {
            let texts = Texts::at(self.file());
            texts.get(&Digest::of(text)).map(str::as_bytes) == Some(text)
        }
    }

    #[test]
    fn small_texts_are_kept_and_nothing_else() {
        let mut place = Place::new();
        place.write("a.c", b"int a;\n", 0o644);
        place.write("secret", b"hunter2", 0o600);
        place.write("output", b"made", 0o644);
        place.write("variables", b"TOKEN=x", 0o644);
        place.write("binary", b"a\0b", 0o644);
        place.write("long", &vec![b'x'; 40 << 10], 0o644);
        place.keep();
        assert!(place.has(b"int a;\n"));
        for text in [&b"hunter2"[..], b"made", b"TOKEN=x", b"a\0b", &vec![b'x'; 40 << 10]] {
            assert!(!place.has(text));
        }
        assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn earlier_versions_stay_and_the_file_is_bounded() {
        let mut place = Place::new();
        place.write("a.c", b"1", 0o644);
        place.keep();
        place.write("a.c", b"2", 0o644);
        place.keep();
        assert!(place.has(b"1") && place.has(b"2"));
        for round in 0..200 {
            place.write("a.c", format!("{round}{}", " ".repeat(30 << 10)).as_bytes(), 0o644);
            place.keep();
            assert!(fs::metadata(place.file()).unwrap().len() as usize <= 2 * KEPT);
        }
        assert!(!place.has(b"1"));
        assert!(place.has(format!("199{}", " ".repeat(30 << 10)).as_bytes()));
    }

    #[test]
    fn outputs_that_are_newer_than_all_inputs_do_not_push_them_out() {
        let mut place = Place::new();
        place.write("a.c", b"int a;\n", 0o644);
        (0..2 * AT_ONCE).for_each(|i| place.write(&format!("output{i}"), b"made", 0o644));
        place.keep();
        assert!(place.has(b"int a;\n") && !place.has(b"made"));
    }

    #[test]
    fn a_torn_file_is_put_right() {
        let mut place = Place::new();
        place.write("a.c", b"first", 0o644);
        place.keep();
        place.write("b.c", b"second", 0o644);
        place.keep();
        let bytes = fs::read(place.file()).unwrap();
        fs::write(place.file(), &bytes[..bytes.len() - 2]).unwrap();
        assert!(place.has(b"first") && !place.has(b"second"));
        place.keep();
        assert!(place.has(b"first") && place.has(b"second"));
        fs::write(place.file(), "something else").unwrap();
        assert!(!place.has(b"first"));
        place.keep();
        assert!(place.has(b"first"));
    }
}
