//! The remote of a watch: each build has a connection of its own, made when it first needs one. Uploads go on while the
//! next change is waited for.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use percache_runner::{FromRemote, Session, Stop};

use crate::args::{Cli, RemoteOptions};
use crate::error::CliError;
use crate::remote::{self, Ending, Progress, Sharing};
use crate::terminal::style::Paint;

/// After this long, a remote that was given up is tried again: a watch may outlast what was wrong.
const AGAIN: Duration = Duration::from_secs(60);

/// The remote, over all builds.
#[derive(Default)]
pub struct Shares {
    given_up: Option<Instant>,
    uploading: Vec<Uploading>,
}

struct Uploading {
    sharing: Arc<Sharing>,
    came: FromRemote,
    thread: JoinHandle<Progress>,
}

impl Shares {
    /// Shares the results of a build, if there is a remote that is worth asking.
    pub fn share(&self, session: &mut Session<'_>, options: &RemoteOptions) -> Result<Option<Arc<Sharing>>, CliError> {
        session.download(remote::download(&session.project().workspace)?);
        if self.given_up.is_some_and(|since| since.elapsed() < AGAIN) {
            return Ok(None);
        }
        let project = session.project().clone();
        let Some(store) = session.store().cloned() else { return Ok(None) };
        let Some(settings) = remote::settings(&project.workspace, options)? else { return Ok(None) };
        let sharing = Arc::new(Sharing::new(settings, store, &project.store_dir));
        session.share(sharing.clone());
        Ok(Some(sharing))
    }

    /// Takes what a finished build shares. Its uploads go on.
    pub fn go_on(&mut self, sharing: Arc<Sharing>, came: FromRemote, user: &Stop, cli: &Cli) -> Result<(), CliError> {
        let (own, user, paint) = (sharing.clone(), user.clone(), Paint::stderr(cli.color));
        let wait = move || own.wait(&Ending { stop: &user, quiet: true, live: false, paint, came: None });
        let thread = std::thread::Builder::new().name("percache-uploads".into()).spawn(wait);
        let thread = thread.map_err(|e| CliError::failure(format!("cannot start a thread: {e}")))?;
        self.uploading.push(Uploading { sharing, came, thread });
        Ok(())
    }

    /// Tells of uploads that have ended; of all, and waits for them, if nothing comes after this.
    pub fn settle(&mut self, last: bool, user: &Stop, cli: &Cli) {
        let (over, going): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.uploading).into_iter().partition(|one| last || one.thread.is_finished());
        self.uploading = going;
        for Uploading { sharing, came, thread } in over {
            let progress = thread.join().unwrap_or_default();
            let paint = Paint::stderr(cli.color);
            let ending = Ending { stop: user, quiet: cli.quiet, live: false, paint, came: Some(came) };
            sharing.conclude(&ending, &progress);
            if sharing.remote.is_given_up() {
                self.given_up = Some(Instant::now());
            }
        }
    }
}
