//! Tries a remote out: whether it can be written to and read from, and how fast. Harmless: what is written is noise
//! under a random name, and taken away again where that can be done.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use percache::base::clock;

use crate::digest::{Blob, Sha256};
use crate::fault::{Fault, FaultKind};
use crate::keys::ActionKey;
use crate::remote::Remote;
use crate::service::Key;

/// The bytes that are written and read.
const BYTES: usize = 8 << 20;

/// What a trial has shown.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The bytes that went each way.
    pub bytes: u64,
    /// How long it took to write them.
    pub wrote: Duration,
    /// How long it took to read them.
    pub read: Duration,
    /// How far the remote's clock is ahead of this machine's, in seconds, if the remote tells its time.
    pub clock: Option<f64>,
}

impl Remote {
    /// Writes a record and contents under a random name, and reads them back.
    ///
    /// # Errors
    /// What the remote does not allow, or does wrong.
    pub fn try_out(&self) -> Result<Trial, Fault> {
        let connection = &self.shared.connection;
        let most = connection.call_upload(async |service| service.small().await)?.min(BYTES as u64) as usize;
        let mut random = fastrand::Rng::new();
        let noise: Vec<Vec<u8>> =
            std::iter::repeat_with(|| std::iter::repeat_with(|| random.u8(..)).take(most).collect())
                .take(BYTES.div_ceil(most.max(1)))
                .collect();
        let blobs: Vec<Blob> = noise.iter().map(|bytes| Blob::of(bytes)).collect();
        let key = Key::Result(ActionKey(Sha256::of(&noise.concat())));
        let contents: Vec<(Blob, Vec<u8>)> = blobs.iter().copied().zip(noise).collect();
        let began = Instant::now();
        connection.call_upload(async |service| service.write_small(contents, &|_| ()).await)?;
        let wrote = began.elapsed();
        let record = b"percache trial".to_vec();
        connection.call_upload(async |service| service.put(&key, record.clone(), &blobs).await)?;
        let now = clock::now();
        let read = self.read_back(&blobs)?;
        let found = connection.call(async |service| service.get(&key).await)?;
        let mut ahead = None;
        for blob in &blobs {
            ahead = connection.call(async |service| Ok(service.clean_up(&key, blob, now).await))?.or(ahead);
        }
        if found != Some(record) {
            return Err(Fault::new(FaultKind::Damaged, "what was written is not what is read"));
        }
        let bytes = blobs.iter().map(|blob| blob.length).sum();
        Ok(Trial { bytes, wrote, read, clock: ahead })
    }

    fn read_back(&self, blobs: &[Blob]) -> Result<Duration, Fault> {
        let sound = Mutex::new(0);
        let began = Instant::now();
        let got = |blob: Blob, bytes: Vec<u8>| {
            *sound.lock().unwrap_or_else(PoisonError::into_inner) += usize::from(blob.is(&bytes));
        };
        self.shared.connection.call(async |service| service.read_small(blobs, &got).await)?;
        let took = began.elapsed();
        match sound.into_inner().unwrap_or_else(PoisonError::into_inner) == blobs.len() {
            true => Ok(took),
            false => Err(Fault::new(FaultKind::Damaged, "what was written is not what is read")),
        }
    }
}
