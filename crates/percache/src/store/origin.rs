//! Where a result came from, if it was not made on this machine.
//!
//! Lies beside the result, because results that are shared are the same everywhere. It says which result it is about by
//! the time when that was made: another result under the same key, made here later, has no origin.
//!
//! # Encoding
//!
//! The version (one byte), the kind of place (one byte), the time when the result was made and the time when it came
//! (eight bytes each), and the place as text; for a worker, its server and then its own name.

use crate::base::clock::Time;
use crate::base::codec::{DecodeError, Decoder, Encode};

const VERSION: u8 = 1;

/// Where a result came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The place.
    pub from: Place,
    /// When it came.
    pub came: Time,
}

/// A place that results come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A remote: its address, without secrets.
    Remote(String),
    /// A file that results were exported to: its path as it was named.
    File(String),
    /// A worker of a server, which executed the command for a build on this machine.
    Worker {
        /// The server's address, without secrets.
        server: String,
        /// The worker's name; empty if the server does not tell it.
        worker: String,
    },
}

impl Origin {
    /// Encodes the origin of the result that was made at `made`.
    pub fn encode(&self, made: Time) -> Vec<u8> {
        let (kind, place, worker) = match &self.from {
            Place::Remote(place) => (0, place, None),
            Place::File(place) => (1, place, None),
            Place::Worker { server, worker } => (2, server, Some(worker)),
        };
        let mut to = vec![VERSION, kind];
        to.time(made);
        to.time(self.came);
        to.text(place);
        worker.into_iter().for_each(|worker| to.text(worker));
        to
    }

    /// Reads the origin of the result that was made at `made`. Returns `None` if it is that of another result.
    ///
    /// # Errors
    /// When the bytes are no origin of this version.
    pub fn decode(bytes: &[u8], made: Time) -> Result<Option<Origin>, DecodeError> {
        let mut from = Decoder::new(bytes);
        if from.u8()? != VERSION {
            return Err(DecodeError("it is of another version"));
        }
        let (kind, of, came, place) = (from.u8()?, from.time()?, from.time()?, from.text()?.to_owned());
        let place = match kind {
            0 => Place::Remote(place),
            1 => Place::File(place),
            2 => Place::Worker { server: place, worker: from.text()?.to_owned() },
            _ => return Err(DecodeError("a result came from a place of an unknown kind")),
        };
        from.finish()?;
        Ok((of == made).then_some(Origin { from: place, came }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;

    const MADE: Time = Time::from_millis(1);

    fn origins() -> [Origin; 3] {
        let came = Time::from_millis(2);
        let worker = Place::Worker { server: "grpc://farm".into(), worker: "w1".into() };
        let places = [Place::Remote("grpc://cache".into()), Place::File("shard.percache".into()), worker];
        places.map(|from| Origin { from, came })
    }

    #[test]
    fn an_origin_is_read_back_for_its_result_alone() {
        for origin in origins() {
            let bytes = origin.encode(MADE);
            assert_eq!(Origin::decode(&bytes, MADE), Ok(Some(origin)));
            assert_eq!(Origin::decode(&bytes, Time::from_millis(3)), Ok(None));
        }
    }

    #[test]
    fn the_encoding_is_pinned() {
        let [remote, file, worker] = origins().map(|origin| origin.encode(MADE));
        assert_eq!(Digest::of(&[remote, file].concat()).to_string(), "9730eaf5983c407b31d31950df30a07f776f7cff");
        assert_eq!(Digest::of(&worker).to_string(), "143a8a7eb83e0836bcf44193614996493c98ffe5");
    }

    #[test]
    fn no_damage_panics() {
        for bytes in origins().map(|origin| origin.encode(MADE)) {
            (0..bytes.len()).for_each(|end| assert!(Origin::decode(&bytes[..end], MADE).is_err()));
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0xff;
                let _ = Origin::decode(&damaged, MADE);
            }
        }
    }
}
