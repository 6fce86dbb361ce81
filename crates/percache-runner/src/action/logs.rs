//! Reads the logs of stored results.

use std::path::Path;

use percache::store::ReadError;
use percache::store::interface::Contents;
use percache::store::record::{Content, ResultKey};

use crate::action::context::Context;
use crate::model::event::LogText;
use crate::process::SpooledLog;

/// The size of the end of a log that is kept in memory to be shown.
pub const SHOWN: u64 = 8 << 20;

/// Returns the log of a stored result, as far as it is shown.
pub fn stored_log(ctx: &Context<'_>, key: &ResultKey) -> Option<LogText> {
    let store = ctx.store?;
    let result = ctx.or_trouble(store.result(key))??;
    ctx.or_trouble(read_log(store, &result.log, ctx.staging.dir()))
}

/// Reads a log from the store.
pub fn read_log(store: &dyn Contents, log: &Content, staging: &Path) -> Result<LogText, ReadError> {
    let mut spooled = SpooledLog::new(staging);
    struct Append<'a>(&'a mut SpooledLog);
    impl std::io::Write for Append<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.append(bytes).map(|()| bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    store.read(log, &mut Append(&mut spooled))?;
    let bytes = spooled.tail(SHOWN)?;
    Ok(LogText { omitted: spooled.len() - bytes.len() as u64, bytes })
}
