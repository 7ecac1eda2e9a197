//! The state with which a call begins.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::lifecycle::Lifecycle;
use super::settings::Settings;
use crate::catalog::Catalogs;
use crate::status::{Code, Status};

/// The settings and the methods with which a call begins, and which it keeps.
pub(super) struct Inner {
    pub(super) catalogs: Catalogs,
    /// One permit for each call that may be in progress.
    pub(super) calls: Arc<Semaphore>,
    pub(super) settings: Arc<Settings>,
    pub(super) lifecycle: Arc<Lifecycle>,
}

impl Inner {
    /// Asks the servers for their services again if one of them does not know a method.
    pub(super) fn look_at(&self, status: &Status) {
        if status.code == Code::Unimplemented {
            self.catalogs.suspect();
        }
    }
}
