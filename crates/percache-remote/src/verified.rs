//! Reads one large content from a remote as a stream, and checks on the way that it is what its name says.

use std::io::{self, Read};

use crate::connection::Connection;
use crate::digest::{Blob, Hasher};
use crate::fault::{Fault, FaultKind};
use crate::service::Packing;
use crate::service::stream::{PipeReader, pipe};

/// Has a content read by `take`, which must read to the end. `counted` is told how many bytes came, piece by piece.
/// Whether the content was what its name says is known only afterwards: what `take` returned counts if there is no
/// fault.
pub(crate) fn read<T>(
    connection: &Connection,
    blob: &Blob,
    counted: &dyn Fn(u64),
    take: &mut dyn FnMut(&mut dyn Read) -> io::Result<T>,
) -> Result<T, Fault> {
    let packing = connection.service()?.packing();
    let mut checked = Checked { connection, counted, hasher: Hasher::new(), length: 0, most: blob.length };
    let (read, taken) = std::thread::scope(|scope| {
        let (to, from) = pipe();
        let read = scope.spawn(move || {
            let read = connection.call(async |service| service.read_large(blob, &to).await);
            if let Err(fault) = &read {
                // Whoever reads it may have seen enough.
                let _ = to.blocking_send(Err(fault.clone()));
            }
            read
        });
        let mut pipe = PipeReader::new(from);
        let taken = match packing {
            Packing::Plain => take(&mut Through(&mut checked, &mut pipe)),
            Packing::Zstd => zstd::stream::read::Decoder::new(&mut pipe)
                .and_then(|unpacked| take(&mut Through(&mut checked, &mut unpacked.single_frame()))),
        };
        drop(pipe);
        (read.join(), taken)
    });
    read.unwrap_or_else(|_| Err(Fault::new(FaultKind::Local, "reading it failed")))?;
    let came = Blob { digest: checked.hasher.finish(), length: checked.length };
    match taken {
        Ok(taken) if came == *blob => Ok(taken),
        _ => Err(damaged(blob)),
    }
}

/// Returns the fault that a content is another one than its name says.
pub(crate) fn damaged(blob: &Blob) -> Fault {
    Fault::new(FaultKind::Damaged, format!("the content {} is not what its name says", blob.digest))
}

/// What came through a [`Through`].
struct Checked<'a> {
    connection: &'a Connection,
    counted: &'a dyn Fn(u64),
    hasher: Hasher,
    length: u64,
    most: u64,
}

/// A reader that notes what comes through it, and ends when it is too much.
struct Through<'c, 'a>(&'c mut Checked<'a>, &'c mut dyn Read);

impl Read for Through<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.read(buffer)?;
        let checked = &mut *self.0;
        checked.hasher.update(&buffer[..count]);
        checked.length += count as u64;
        (checked.counted)(count as u64);
        checked.connection.note_answer();
        match checked.length > checked.most {
            true => Err(io::Error::other("it is longer than it should be")),
            false => Ok(count),
        }
    }
}
