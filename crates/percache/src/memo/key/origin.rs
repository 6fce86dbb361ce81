//! Where a function comes from, as it is written down beside its results: two packages may have functions of one name.

use std::fmt;

use crate::base::codec::{DecodeError, Decoder, Encode};

/// What a function belongs to, as far as its results are apart from those of other functions of its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Origin {
    /// The name of its package.
    pub package: Option<String>,
    /// The version of the package.
    pub version: Option<String>,
    /// A hash of where the package comes from: its registry, its repository or its directory.
    pub source: Option<u64>,
    /// The program, when the function is compiled as a part of one and not of a library.
    pub program: Option<String>,
    /// The folder of the package in which its file lies: `src`, `tests`, `examples`.
    pub folder: Option<String>,
}

impl Origin {
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        for text in [&self.package, &self.version, &self.program, &self.folder] {
            bytes.bool(text.is_some());
            text.iter().for_each(|text| bytes.text(text));
        }
        bytes.bool(self.source.is_some());
        self.source.iter().for_each(|source| bytes.u64(*source));
    }

    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Origin, DecodeError> {
        let mut text = || if decoder.bool()? { decoder.text().map(|text| Some(text.to_owned())) } else { Ok(None) };
        let (package, version, program, folder) = (text()?, text()?, text()?, text()?);
        let source = if decoder.bool()? { Some(decoder.u64()?) } else { None };
        Ok(Origin { package, version, source, program, folder })
    }
}

/// The package and its version; with `{:#}` everything that tells it from others.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.package.as_deref().unwrap_or("any package"))?;
        self.version.iter().try_for_each(|version| write!(f, " {version}"))?;
        if !f.alternate() {
            return Ok(());
        }
        self.program.iter().try_for_each(|program| write!(f, ", program {program}"))?;
        self.folder.iter().filter(|folder| *folder != "src").try_for_each(|folder| write!(f, ", in {folder}"))?;
        self.source.iter().try_for_each(|source| write!(f, ", source {source:016x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_says_the_package_and_on_request_the_rest() {
        let mut origin = Origin { package: Some("app".into()), version: Some("1.0.0".into()), ..Origin::default() };
        assert_eq!(format!("{origin} {origin:#}"), "app 1.0.0 app 1.0.0");
        origin.program = Some("tool".into());
        origin.folder = Some("src".into());
        origin.source = Some(255);
        assert_eq!(origin.to_string(), "app 1.0.0");
        assert_eq!(format!("{origin:#}"), "app 1.0.0, program tool, source 00000000000000ff");
        origin.folder = Some("tests".into());
        assert_eq!(format!("{origin:#}"), "app 1.0.0, program tool, in tests, source 00000000000000ff");
        assert_eq!(Origin::default().to_string(), "any package");
    }
}
