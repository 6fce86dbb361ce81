//! Servers: tasks that run until they are ended.

use serde::{Deserialize, Serialize};

use crate::process::Ready;

/// What distinguishes a server from a task that ends by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// When it is ready; `None` if it is as soon as it runs.
    pub ready: Option<Ready>,
}
