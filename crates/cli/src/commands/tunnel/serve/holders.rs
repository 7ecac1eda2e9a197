//! The addresses that the server listens on, each with the client that holds it.
//!
//! A client whose WebSocket is lost keeps its addresses for as long as its session. When the program
//! was started again meanwhile, it asks for them in another session, and the one before gives way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sockeye::mux;
use sockeye::resume::Attachment;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use crate::commands::tunnel::protocol::REPLACED;

/// Timeout of the end of a session that gives way, which waits for nothing but its task.
const GIVE_WAY_TIMEOUT: Duration = Duration::from_secs(2);

/// The holders by the names of their addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders(Arc<Mutex<HashMap<String, Entry>>>);

/// The client that holds an address, in one of its sessions.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) session: mux::Session,
    /// Whether the client has a WebSocket.
    pub(super) attachment: Attachment,
    pub(super) identity: Arc<str>,
}

#[derive(Clone, Debug)]
struct Entry {
    holder: Holder,
    /// Locked while the client listens.
    listening: Arc<tokio::sync::Mutex<()>>,
}

/// An address that a client holds; dropped after its listener.
#[derive(Debug)]
pub(super) struct Held {
    holders: Holders,
    name: String,
    listening: OwnedMutexGuard<()>,
}

impl Holders {
    /// Records that a client listens on an address.
    pub(super) async fn hold(&self, name: &str, holder: Holder) -> Held {
        let listening = Arc::new(tokio::sync::Mutex::new(()));
        let entry = Entry { holder, listening: Arc::clone(&listening) };
        // Nobody else has the lock yet.
        let guard = listening.lock_owned().await;
        self.lock().insert(name.to_owned(), entry);
        Held { holders: self.clone(), name: name.to_owned(), listening: guard }
    }

    /// Ends the session that holds an address, if that belongs to the same client and has no
    /// WebSocket. Returns whether the address is free then.
    pub(super) async fn take_over(&self, name: &str, identity: &str) -> bool {
        let Some(Entry { holder, listening }) = self.lock().get(name).cloned() else {
            return false;
        };
        if *holder.identity != *identity || holder.attachment.is_attached() {
            return false;
        }
        holder.session.close(REPLACED, "another session of the client listens on its address");
        drop(holder);
        timeout(GIVE_WAY_TIMEOUT, listening.lock()).await.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // A panic cannot leave a partial change behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut holders = self.holders.lock();
        let own = OwnedMutexGuard::mutex(&self.listening);
        // Another client may hold the address already.
        if holders.get(&self.name).is_some_and(|holder| Arc::ptr_eq(&holder.listening, own)) {
            holders.remove(&self.name);
        }
    }
}
