//! Whose results are believed: Ed25519 signatures over everything that a restored result consists of.
//!
//! What is signed is a list of fields, each preceded by its length as eight bytes, and the first of them says what kind
//! of statement this is and in which version. So no signature of one thing is one of another thing, however the fields
//! are divided. A signature is checked before anything in the record is used.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// What the text of every key begins with.
const PREFIX: &str = "ed25519:";
/// Number of bytes of a public key, and of the seed of a signing key.
const KEY_LEN: usize = 32;
/// Number of bytes of a signature.
const SIGNATURE_LEN: usize = 64;

/// Who may have signed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; KEY_LEN]);

/// A text that is no key. Does not repeat the text, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not written as keys are.
    #[error("a key is written as `ed25519:` and 64 hex digits")]
    Form,
    /// It is too short to be safe.
    #[error("the key has {0} bytes; one of less than 32 is refused")]
    Short(usize),
}

impl std::str::FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<PublicKey, KeyError> {
        key_bytes(text).map(PublicKey)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What a result is signed with. Cannot be printed.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public())
    }
}

impl SigningKey {
    /// Reads a key as [`SigningKey::generate`] writes it.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(text: &str) -> Result<SigningKey, KeyError> {
        let seed = key_bytes(text.trim())?;
        Ed25519KeyPair::from_seed_unchecked(&seed).map(SigningKey).map_err(|_| KeyError::Form)
    }

    /// Makes a new key. Returns its text, which is a secret, and what others put into `trust`.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> std::io::Result<(String, PublicKey)> {
        let mut seed = [0; KEY_LEN];
        let random = ring::rand::SystemRandom::new();
        ring::rand::SecureRandom::fill(&random, &mut seed).map_err(|_| std::io::Error::other("no random numbers"))?;
        let text = PublicKey(seed).to_string();
        let key = SigningKey::parse(&text).map_err(std::io::Error::other)?;
        Ok((text, key.public()))
    }

    /// Returns the key that checks its signatures.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; KEY_LEN];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// Signs a statement.
    pub fn sign(&self, statement: &Statement<'_>) -> Signature {
        let mut bytes = [0; SIGNATURE_LEN];
        bytes.copy_from_slice(self.0.sign(&statement.message()).as_ref());
        Signature { by: self.public(), bytes }
    }
}

/// What is signed: its kind and version, and the fields.
pub struct Statement<'a> {
    /// Which kind of statement, in which version.
    pub domain: &'a str,
    /// The fields, in order.
    pub fields: &'a [&'a [u8]],
}

impl Statement<'_> {
    fn message(&self) -> Vec<u8> {
        let mut message = Vec::new();
        for field in std::iter::once(&self.domain.as_bytes()).chain(self.fields) {
            message.extend_from_slice(&(field.len() as u64).to_le_bytes());
            message.extend_from_slice(field);
        }
        message
    }
}

/// A signature, and whose it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The signer.
    pub by: PublicKey,
    /// The signature itself.
    pub bytes: [u8; SIGNATURE_LEN],
}

impl Signature {
    /// Number of bytes of the encoding.
    pub const LEN: usize = KEY_LEN + SIGNATURE_LEN;

    /// Returns the encoding: the key, then the signature.
    pub fn to_bytes(self) -> [u8; Signature::LEN] {
        let mut bytes = [0; Signature::LEN];
        bytes[..KEY_LEN].copy_from_slice(&self.by.0);
        bytes[KEY_LEN..].copy_from_slice(&self.bytes);
        bytes
    }

    /// Reads one back.
    pub fn from_bytes(bytes: &[u8]) -> Option<Signature> {
        let (by, bytes) = bytes.split_at_checked(KEY_LEN)?;
        Some(Signature { by: PublicKey(by.try_into().ok()?), bytes: bytes.try_into().ok()? })
    }
}

/// Why a record is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Nobody signed it.
    #[error("it is not signed")]
    Unsigned,
    /// Somebody signed it who is not in `trust`.
    #[error("it is signed by {0}, which `trust` does not name")]
    Stranger(PublicKey),
    /// The signature is not one of this record under this name.
    #[error("its signature by {0} is not one of this result")]
    Forged(PublicKey),
}

/// The keys that are believed. None: whoever may write to the server is.
#[derive(Clone, Debug, Default)]
pub struct Trust(pub Vec<PublicKey>);

impl Trust {
    /// Checks that a statement is one that is believed.
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(&self, statement: &Statement<'_>, signature: Option<&Signature>) -> Result<(), Distrust> {
        if self.0.is_empty() {
            return Ok(());
        }
        let signature = signature.ok_or(Distrust::Unsigned)?;
        if !self.0.contains(&signature.by) {
            return Err(Distrust::Stranger(signature.by));
        }
        let key = UnparsedPublicKey::new(&ED25519, &signature.by.0);
        key.verify(&statement.message(), &signature.bytes).map_err(|_| Distrust::Forged(signature.by))
    }
}

fn key_bytes(text: &str) -> Result<[u8; KEY_LEN], KeyError> {
    let digits = text.strip_prefix(PREFIX).ok_or(KeyError::Form)?.as_bytes();
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8).ok_or(KeyError::Form);
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Ok(digit(*high)? * 16 + digit(*low)?),
        _ => Err(KeyError::Form),
    });
    let bytes = pairs.collect::<Result<Vec<u8>, _>>()?;
    if bytes.len() < KEY_LEN {
        return Err(KeyError::Short(bytes.len()));
    }
    bytes.try_into().map_err(|_| KeyError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement<'a>(fields: &'a [&'a [u8]]) -> Statement<'a> {
        Statement { domain: "test 1", fields }
    }

    fn pair() -> (SigningKey, Trust) {
        let (text, public) = SigningKey::generate().unwrap();
        (SigningKey::parse(&text).unwrap(), Trust(vec![public]))
    }

    #[test]
    fn a_signature_holds_for_what_was_signed_alone() {
        let (key, trust) = pair();
        let signature = key.sign(&statement(&[b"ab", b"c"]));
        assert_eq!(trust.check(&statement(&[b"ab", b"c"]), Some(&signature)), Ok(()));
        let forged = Err(Distrust::Forged(key.public()));
        assert_eq!(trust.check(&statement(&[b"a", b"bc"]), Some(&signature)), forged);
        assert_eq!(trust.check(&statement(&[b"ab", b"c", b""]), Some(&signature)), forged);
        let other = Statement { domain: "test 2", fields: &[b"ab", b"c"] };
        assert_eq!(trust.check(&other, Some(&signature)), forged);
        for at in 0..SIGNATURE_LEN {
            let mut damaged = signature;
            damaged.bytes[at] ^= 1;
            assert_eq!(trust.check(&statement(&[b"ab", b"c"]), Some(&damaged)), forged);
        }
    }

    #[test]
    fn strangers_and_nobody_are_not_believed_unless_everybody_is() {
        let ((key, _), (_, trust)) = (pair(), pair());
        let signature = key.sign(&statement(&[]));
        assert_eq!(trust.check(&statement(&[]), Some(&signature)), Err(Distrust::Stranger(key.public())));
        assert_eq!(trust.check(&statement(&[]), None), Err(Distrust::Unsigned));
        assert_eq!(Trust::default().check(&statement(&[]), None), Ok(()));
    }

    #[test]
    fn keys_are_read_as_written_and_short_ones_refused() {
        let (text, public) = SigningKey::generate().unwrap();
        assert_eq!(public.to_string().parse(), Ok(public));
        assert_eq!(SigningKey::parse(&format!("{text}\n")).unwrap().public(), public);
        assert_eq!("ed25519:".parse::<PublicKey>(), Err(KeyError::Short(0)));
        assert_eq!(format!("ed25519:{}", "ab".repeat(31)).parse::<PublicKey>(), Err(KeyError::Short(31)));
        for wrong in [text.trim_start_matches(PREFIX), "ed25519:xy", "ed25519:abc", &format!("{text}00"), "ed25519:ä"]
        {
            assert_eq!(wrong.parse::<PublicKey>(), Err(KeyError::Form), "{wrong}");
        }
        assert!(!format!("{:?}", SigningKey::parse(&text).unwrap()).contains(&text));
    }

    #[test]
    fn a_signature_is_read_as_written() {
        let (key, _) = pair();
        let signature = key.sign(&statement(&[b"x"]));
        assert_eq!(Signature::from_bytes(&signature.to_bytes()), Some(signature));
        assert_eq!(Signature::from_bytes(&signature.to_bytes()[1..]), None);
    }
}
