//! The remote of a workspace: from `[remote]`, variables and options to what a build asks of it.
//!
//! This and `remote/` alone know the crate that connects, and the runner's seams for it.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `advice` | what to check when a server cannot be used |
//! | `execution` | workers that execute commands |

pub mod advice;
pub mod archive;
pub mod execution;
mod finish;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use percache::base::codec::Sink;
use percache::db::engine::EngineError;
use percache::store::Store;
use percache::store::interface::Storage;
use percache::store::manifest::PathSet;
use percache::store::record::StoredResult;
use percache_remote::{
    ActionKey, Fetch, FingerprintKey, Remote, RemoteResult, Settings, SettingsError, Sha256, Table, Totals, Upload,
    Uploads,
};
use percache_runner::Download;
use percache_runner::sharing::{Feed, Fetched, Names, Offer, Remote as Seam, RemoteKey, stored_offer};
use percache_runner::tasks::Workspace;

use crate::args::RemoteOptions;
use crate::error::CliError;

pub use finish::Ending;
pub use percache_remote::{Notary, Progress};

/// Where in the store's directory it is remembered what was named, what was not uploaded, and what came.
const DIR: &str = "remote";

/// A remote, and the uploads to it.
pub struct Sharing {
    /// The remote.
    pub remote: Remote,
    uploads: Uploads,
    store: Arc<Store>,
    /// Where it is remembered what was named, what was not uploaded, and what came.
    dir: PathBuf,
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
    Settings::resolve(&table(workspace), &workspace.root, &variable).map_err(wrong)
}

/// Returns which results of the remote have their outputs brought here.
pub fn download(workspace: &Workspace) -> Result<Download, CliError> {
    let variable = |name: &str| std::env::var(name).ok();
    let leaves = Settings::leaves(&table(workspace), &variable).map_err(wrong)?;
    Ok(if leaves { Download::Wanted } else { Download::All })
}

/// Returns how a workspace's results are signed, and whose are believed.
pub fn notary(workspace: &Workspace) -> Result<Notary, CliError> {
    let variable = |name: &str| std::env::var(name).ok();
    Settings::notary(&table(workspace), &workspace.root, &variable).map_err(wrong)
}

fn table(workspace: &Workspace) -> Table {
    let written = workspace.remote.clone();
    Table {
        url: written.url,
        instance: written.instance,
        read: written.read,
        write: written.write,
        trust: written.trust,
        sign_with: written.sign_with,
        download: written.download,
        headers: written.headers,
        ca: written.ca,
        cert: written.cert,
        key: written.key,
    }
}

/// Returns what the remotes of a workspace have brought so far, by its store's directory.
pub fn totals(store_dir: &Path) -> Option<Totals> {
    Totals::read(&store_dir.join(DIR))
}

fn wrong(error: SettingsError) -> CliError {
    let hint = error.hint.unwrap_or("docs/configuration.md has all keys of [remote]");
    CliError::usage(&error).hint(Some(hint))
}

impl Sharing {
    /// Makes ready. Connects to nothing.
    pub fn new(settings: Settings, store: Arc<Store>, store_dir: &Path) -> Sharing {
        let remote = Remote::new(settings);
        let dir = store_dir.join(DIR);
        let uploads = Uploads::new(&remote, store.clone(), dir.clone());
        Sharing { remote, uploads, store, dir }
    }

    /// Returns the local store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Offers every stored result of the tasks that are wanted.
    pub fn offer_stored(&self, is_wanted: &dyn Fn(&str) -> bool) -> Result<(), EngineError> {
        for (key, _) in self.store.results_with(is_wanted)? {
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
}

/// The names of what is shared: SHA-256 over the parts of the keys that the store has.
pub struct Sha256Names;

impl Names for Sha256Names {
    fn fingerprint(&self, feed: Feed<'_>) -> RemoteKey {
        FingerprintKey::of(|sink: &mut dyn Sink| feed(sink)).0.0
    }

    fn action(&self, fingerprint: &RemoteKey, feed: Feed<'_>) -> RemoteKey {
        ActionKey::of(&FingerprintKey(Sha256(*fingerprint)), |sink: &mut dyn Sink| feed(sink)).0.0
    }
}

impl Names for Sharing {
    fn fingerprint(&self, feed: Feed<'_>) -> RemoteKey {
        Sha256Names.fingerprint(feed)
    }

    fn action(&self, fingerprint: &RemoteKey, feed: Feed<'_>) -> RemoteKey {
        Sha256Names.action(fingerprint, feed)
    }
}

impl Seam for Sharing {
    fn address(&self) -> String {
        self.remote.address()
    }

    fn is_readable(&self) -> bool {
        self.remote.is_readable()
    }

    fn is_writable(&self) -> bool {
        self.remote.is_writable()
    }

    fn path_sets(&self, fingerprints: &[RemoteKey]) -> Vec<(Vec<PathSet>, Option<String>)> {
        let keys: Vec<_> = fingerprints.iter().map(|key| FingerprintKey(Sha256(*key))).collect();
        self.remote.path_sets(&keys)
    }

    fn fetch(
        &self,
        actions: &[RemoteKey],
        accept: &dyn Fn(usize, &StoredResult) -> bool,
        store: Option<&dyn Storage>,
        came: &mut dyn FnMut(usize, Fetched),
    ) {
        let keys: Vec<_> = actions.iter().map(|key| ActionKey(Sha256(*key))).collect();
        let (mut places, mut found) = (Vec::new(), Vec::new());
        for (at, result) in self.remote.results(&keys).into_iter().enumerate() {
            match result {
                Ok(Some(result)) if accept(at, &result.result) => {
                    places.push(at);
                    found.push(result);
                }
                Ok(_) => came(at, Fetched::Nothing),
                Err(why) => came(at, Fetched::Refused(why)),
            }
        }
        let Some(store) = store else {
            let bytes = |found: &RemoteResult| found.contents().map(|(_, blob)| blob.length).sum();
            let all = places.into_iter().zip(found);
            return all.for_each(|(at, found)| {
                let bytes = bytes(&found);
                came(at, Fetched::Found { result: found.result, bytes });
            });
        };
        self.remote.fetch(&found, store, &mut |at, fetch| {
            let fetched = match fetch {
                Fetch::Whole { bytes } => Fetched::Found { result: found[at].result.clone(), bytes },
                Fetch::Refused(why) => Fetched::Refused(why),
                Fetch::Failed => Fetched::Nothing,
            };
            came(places[at], fetched);
        });
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
