//! What a server can, and how much at a time.

use super::super::About;
use crate::fault::{Fault, FaultKind};
use crate::reapi::v2;

/// What fits into one message of gRPC unless both sides have agreed on more.
const MESSAGE: u64 = 4 << 20;
/// What is left free of it, for everything that is not content.
const SLACK: u64 = 64 << 10;

/// What counts of a server's capabilities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// Bytes of one batch.
    pub batch: u64,
    /// Whether large contents can travel compressed.
    pub zstd_streams: bool,
    /// Whether what is read in batches can.
    pub zstd_batches: bool,
    /// Whether what is written in batches can.
    pub zstd_updates: bool,
    /// Whether it takes results.
    pub update: bool,
    /// Whether it executes actions.
    pub executes: bool,
    version: String,
    advertised: i64,
}

impl Capabilities {
    /// Reads an answer.
    ///
    /// # Errors
    /// When the server cannot do what is needed.
    pub fn of(answer: &v2::ServerCapabilities) -> Result<Capabilities, Fault> {
        let unsupported = |message: String| Err(Fault::new(FaultKind::Unreachable, message));
        let version = |of: &Option<crate::reapi::semver::SemVer>| of.as_ref().map(|of| (of.major, of.minor));
        let (low, high) = (version(&answer.low_api_version), version(&answer.high_api_version));
        let fits = low.is_none_or(|(major, _)| major <= 2) && high.is_none_or(|(major, _)| major >= 2);
        if !fits {
            return unsupported(format!(
                "the server speaks versions {low:?} to {high:?} of the Remote Execution API, not 2"
            ));
        }
        let Some(cache) = &answer.cache_capabilities else {
            return unsupported("the server is no cache".into());
        };
        let sha256 = v2::digest_function::Value::Sha256 as i32;
        if !cache.digest_functions.is_empty() && !cache.digest_functions.contains(&sha256) {
            return unsupported("the server does not name contents by SHA-256".into());
        }
        let zstd = v2::compressor::Value::Zstd as i32;
        let reads = cache.supported_compressors.contains(&zstd);
        let advertised = cache.max_batch_total_size_bytes;
        // 0 says that the server has no limit of its own; the message still has one.
        let limit = u64::try_from(advertised).ok().filter(|limit| *limit > 0).unwrap_or(MESSAGE).min(MESSAGE);
        Ok(Capabilities {
            batch: limit.saturating_sub(SLACK.min(limit / 8)),
            zstd_streams: reads,
            zstd_batches: reads,
            zstd_updates: cache.supported_batch_update_compressors.contains(&zstd),
            update: cache.action_cache_update_capabilities.as_ref().is_none_or(|update| update.update_enabled),
            executes: answer.execution_capabilities.as_ref().is_some_and(|execution| execution.exec_enabled),
            version: high.map(|(major, minor)| format!("{major}.{minor}")).unwrap_or_else(|| "2".into()),
            advertised,
        })
    }

    /// Returns all that in words.
    pub fn about(&self) -> About {
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let facts = vec![
            ("kind", "Remote Execution API".to_owned()),
            ("version", self.version.clone()),
            ("takes results", yes(self.update)),
            ("executes", yes(self.executes)),
            ("batch limit", self.advertised.to_string()),
            ("zstd", yes(self.zstd_streams)),
        ];
        About { facts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reapi::semver::SemVer;

    fn server(cache: v2::CacheCapabilities) -> v2::ServerCapabilities {
        v2::ServerCapabilities { cache_capabilities: Some(cache), ..Default::default() }
    }

    #[test]
    fn a_batch_fits_into_a_message_whatever_the_server_says() {
        let batch = |max_batch_total_size_bytes| {
            let cache = v2::CacheCapabilities { max_batch_total_size_bytes, ..Default::default() };
            Capabilities::of(&server(cache)).unwrap().batch
        };
        assert_eq!(batch(0), MESSAGE - SLACK);
        assert_eq!(batch(64 << 20), MESSAGE - SLACK);
        assert_eq!(batch(1_000), 875);
        assert_eq!(batch(-1), MESSAGE - SLACK);
    }

    #[test]
    fn compression_is_for_those_who_say_so() {
        let cache = v2::CacheCapabilities { supported_compressors: vec![0, 1], ..Default::default() };
        let some = Capabilities::of(&server(cache)).unwrap();
        assert!(some.zstd_streams && !some.zstd_updates && some.update);
        assert!(!Capabilities::of(&server(v2::CacheCapabilities::default())).unwrap().zstd_streams);
    }

    #[test]
    fn servers_that_cannot_do_it_are_told_apart() {
        let md5 = v2::CacheCapabilities { digest_functions: vec![3], ..Default::default() };
        assert!(Capabilities::of(&server(md5)).unwrap_err().message.contains("SHA-256"));
        assert!(Capabilities::of(&v2::ServerCapabilities::default()).unwrap_err().message.contains("no cache"));
        let mut old = server(v2::CacheCapabilities::default());
        old.high_api_version = Some(SemVer { major: 1, ..Default::default() });
        assert!(Capabilities::of(&old).unwrap_err().message.contains("version"));
        let update_enabled = v2::ActionCacheUpdateCapabilities { update_enabled: false };
        let closed =
            v2::CacheCapabilities { action_cache_update_capabilities: Some(update_enabled), ..Default::default() };
        assert!(!Capabilities::of(&server(closed)).unwrap().update);
    }
}
