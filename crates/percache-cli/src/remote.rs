//! The remote of a workspace: from `[remote]`, variables and options to what a build asks of it.
//!
//! This and `remote/` alone know the crate that connects, and the runner's seams for it.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `execution` | workers that execute commands |

pub mod execution;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use percache::base::codec::Sink;
use percache::db::engine::EngineError;
use percache::store::Store;
use percache::store::interface::Storage;
use percache::store::manifest::PathSet;
use percache::store::record::StoredResult;
use percache_remote::{
    ActionKey, FingerprintKey, Notice, Progress, Remote, Settings, SettingsError, Sha256, Table, Upload, Uploads,
};
use percache_runner::Stop;
use percache_runner::sharing::{Feed, Offer, Remote as Seam, RemoteKey, stored_offer};
use percache_runner::tasks::Workspace;
use percache_runner::text::format_size;

use crate::args::RemoteOptions;
use crate::error::CliError;
use crate::terminal::style::{Paint, Style};

/// Where in the store's directory it is remembered what was named and what was not uploaded.
const DIR: &str = "remote";
/// Uploads that take no longer after the build are not worth a word.
const SHORT: Duration = Duration::from_secs(1);

/// A remote, and the uploads to it.
pub struct Sharing {
    /// The remote.
    pub remote: Remote,
    uploads: Uploads,
    store: Arc<Store>,
}

/// Returns what is known about the remote of a workspace. `None` if it has none, or if it is not to be used.
pub fn settings(workspace: &Workspace, options: &RemoteOptions) -> Result<Option<Settings>, CliError> {
    if options.no_remote {
        return Ok(None);
    }
    let variable = |name: &str| match (name, &options.remote) {
        ("PERCACHE_REMOTE_URL", Some(url)) => Some(url.clone()),
        _ => std::env::var(name).ok(),
    };
    let written = workspace.remote.clone();
    let table = Table {
        url: written.url,
        instance: written.instance,
        read: written.read,
        write: written.write,
        trust: written.trust,
        sign_with: written.sign_with,
        headers: written.headers,
        ca: written.ca,
        cert: written.cert,
        key: written.key,
    };
    Settings::resolve(&table, &workspace.root, &variable).map_err(wrong)
}

fn wrong(error: SettingsError) -> CliError {
    let hint = error.hint.unwrap_or("docs/configuration.md has all keys of [remote]");
    CliError::usage(&error).hint(Some(hint))
}

impl Sharing {
    /// Makes ready. Connects to nothing.
    pub fn new(settings: Settings, store: Arc<Store>, store_dir: &Path) -> Sharing {
        let remote = Remote::new(settings);
        let uploads = Uploads::new(&remote, store.clone(), store_dir.join(DIR));
        Sharing { remote, uploads, store }
    }

    /// Offers every stored result of a task.
    pub fn offer_stored(&self, task: &str) -> Result<(), EngineError> {
        for (key, _) in self.store.results_of(task)? {
            stored_offer(self, &*self.store, &key).into_iter().for_each(|offer| self.offer(offer));
        }
        Ok(())
    }

    /// Offers what earlier runs offered in vain.
    fn offer_leftovers(&self) {
        let leftovers = self.uploads.leftovers();
        let (there, gone): (Vec<_>, Vec<_>) = leftovers
            .into_iter()
            .map(|key| (key, stored_offer(self, &*self.store, &key)))
            .partition(|(_, offer)| offer.is_some());
        self.uploads.forget(&gone.into_iter().map(|(key, _)| key).collect::<Vec<_>>());
        there.into_iter().filter_map(|(_, offer)| offer).for_each(|offer| self.offer(offer));
    }

    /// Waits for the uploads, and tells what the user should know of them.
    pub fn finish(&self, stop: &Stop, quiet: bool, paint: Paint) -> Progress {
        if self.uploads.progress().offered > 0 && !self.remote.is_given_up() {
            self.offer_leftovers();
        }
        let began = Instant::now();
        let mut said = quiet;
        let progress = self.uploads.finish(&mut |progress| {
            if !said && began.elapsed() > SHORT {
                said = true;
                crate::aside!("uploading {} to {} …", results(progress.left()), self.remote.address());
            }
            if stop.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if said && !quiet && progress.left() == 0 {
            let sent = format_size(progress.bytes);
            crate::aside!("uploaded {}, {sent}, in {:.1}s", results(progress.done), began.elapsed().as_secs_f64());
        }
        for notice in self.remote.take_notices() {
            tell(worded(notice), paint);
        }
        if progress.left() > 0 && !quiet {
            crate::aside!("{} not uploaded; the next upload offers them again", results(progress.left()));
        }
        progress
    }
}

/// Prints a warning.
fn tell((message, hint): (String, &str), paint: Paint) {
    let (warning, hint_word) = (paint.apply(Style::Warning, "warning:"), paint.apply(Style::Hint, "hint:"));
    crate::aside!("{warning} {message}\n  {hint_word} {hint}");
}

fn results(count: usize) -> String {
    if count == 1 { "1 result".to_owned() } else { format!("{count} results") }
}

/// Words a notice: what happened, and what to do about it.
fn worded(notice: Notice) -> (String, &'static str) {
    match notice {
        Notice::GivenUp { address, reason } => (
            format!("the remote {address} is not used any more in this run: {reason}"),
            "`percache remote check` tries it, and says more; `--no-remote` does without it",
        ),
        Notice::ReadOnly { address, reason } => (
            format!("nothing is written to the remote {address}: {reason}"),
            "let `write` of [remote] be true only where the credentials allow it",
        ),
        Notice::NotExecuted { address, reason } => {
            (format!("{address} executes nothing: {reason}"), "the commands ran here instead")
        }
        Notice::Refused { what, reason } => (
            format!("{what} on the remote is not used: {reason}"),
            "the command runs instead; others of this kind are not reported",
        ),
    }
}

impl Seam for Sharing {
    fn is_readable(&self) -> bool {
        self.remote.is_readable()
    }

    fn is_writable(&self) -> bool {
        self.remote.is_writable()
    }

    fn fingerprint(&self, feed: Feed<'_>) -> RemoteKey {
        FingerprintKey::of(|sink: &mut dyn Sink| feed(sink)).0.0
    }

    fn action(&self, fingerprint: &RemoteKey, feed: Feed<'_>) -> RemoteKey {
        ActionKey::of(&FingerprintKey(Sha256(*fingerprint)), |sink: &mut dyn Sink| feed(sink)).0.0
    }

    fn path_sets(&self, fingerprint: &RemoteKey) -> Vec<PathSet> {
        self.remote.path_sets(&FingerprintKey(Sha256(*fingerprint)))
    }

    fn fetch(
        &self,
        action: &RemoteKey,
        accept: &dyn Fn(&StoredResult) -> bool,
        store: &dyn Storage,
    ) -> Option<StoredResult> {
        let found = self.remote.result(&ActionKey(Sha256(*action))).filter(|found| accept(&found.result))?;
        self.remote.fetch(&found, store).then_some(found.result)
    }

    fn missed(&self) {
        self.remote.note_miss();
    }

    fn offer(&self, offer: Offer) {
        let Offer { key, fingerprint, action, result, paths } = offer;
        let (fingerprint, action) = (FingerprintKey(Sha256(fingerprint)), ActionKey(Sha256(action)));
        self.uploads.offer(Upload { key, fingerprint, action, result, paths });
    }

    fn cancel(&self) {
        self.remote.cancel();
    }
}
