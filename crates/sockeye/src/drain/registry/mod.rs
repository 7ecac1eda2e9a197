mod member;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use super::drained::Drained;
use super::shutdown::Shutdown;
pub(crate) use member::{DrainStage, Member};

/// The members and guards of a drain, and the counts of the members that a shutdown ended.
#[derive(Debug, Default)]
pub(super) struct Registry {
    inner: Mutex<Inner>,
    /// Notified when the shutdown begins.
    begun: Notify,
    /// Notified when the last member leaves, and when the last guard is dropped.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// Members by key, one for each connection. The server's limit of connections bounds them.
    members: HashMap<u64, Weak<Member>>,
    next_key: u64,
    guards: usize,
    /// The parameters of the shutdown, once the shutdown has begun.
    shutdown: Option<Shutdown>,
    closed: usize,
    dropped: usize,
}

impl Registry {
    pub(super) fn enter(registry: &Arc<Self>) -> Arc<Member> {
        let mut inner = registry.lock();
        let key = inner.next_key;
        inner.next_key += 1;
        let member = Arc::new(Member::new(registry.clone(), key));
        inner.members.insert(key, Arc::downgrade(&member));
        let shutdown = inner.shutdown.clone();
        drop(inner);
        if let Some(shutdown) = shutdown {
            member.notify(shutdown.close_frame());
        }
        member
    }

    /// Removes a member. Counts a connection as closed if it ended during the shutdown and the
    /// shutdown did not drop it.
    pub(super) fn leave(&self, key: u64, was_connection: bool, stage: DrainStage) {
        let mut inner = self.lock();
        inner.members.remove(&key);
        if was_connection && inner.shutdown.is_some() && stage != DrainStage::Dropped {
            inner.closed += 1;
        }
        let emptied = inner.members.is_empty();
        drop(inner);
        if emptied {
            self.emptied.notify_waiters();
        }
    }

    pub(super) fn add_guard(&self) {
        self.lock().guards += 1;
    }

    pub(super) fn remove_guard(&self) {
        let mut inner = self.lock();
        inner.guards -= 1;
        let emptied = inner.guards == 0;
        drop(inner);
        if emptied {
            self.emptied.notify_waiters();
        }
    }

    /// Begins the shutdown: a member that enters later is notified at once. Returns the present
    /// members, none of which has been notified.
    pub(super) fn begin(&self, shutdown: &Shutdown) -> Vec<Weak<Member>> {
        let mut members: Vec<_> = {
            let mut inner = self.lock();
            inner.shutdown = Some(shutdown.clone());
            inner.members.values().cloned().collect()
        };
        self.begun.notify_waiters();
        // Filtered without the lock, since dropping the last reference to a member takes the lock.
        members.retain(|member| {
            member.upgrade().is_some_and(|member| member.stage() == DrainStage::Open)
        });
        members
    }

    /// Waits until the shutdown begins.
    pub(super) async fn begun(&self) {
        wait_until(&self.begun, || self.lock().shutdown.is_some()).await;
    }

    /// Returns the parameters of the shutdown, once the shutdown has begun.
    #[cfg(feature = "axum")]
    pub(super) fn shutdown(&self) -> Option<Shutdown> {
        self.lock().shutdown.clone()
    }

    /// Advances all present members to a stage.
    pub(super) fn advance(&self, stage: DrainStage) {
        let members: Vec<_> = self.lock().members.values().cloned().collect();
        let members: Vec<_> = members.iter().filter_map(Weak::upgrade).collect();
        if stage == DrainStage::Dropped {
            let counted = |member: &&Arc<Member>| {
                // An earlier call may have dropped the member while a reference keeps it here.
                member.is_connection() && member.stage() < DrainStage::Dropped
            };
            self.lock().dropped += members.iter().filter(counted).count();
        }
        for member in members {
            member.advance(stage);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().members.len()
    }

    /// Returns the number of members that have become connections.
    pub(super) fn connections(&self) -> usize {
        let members: Vec<_> = self.lock().members.values().cloned().collect();
        members.iter().filter_map(Weak::upgrade).filter(|member| member.is_connection()).count()
    }

    /// Returns the counts; `left` is [`Drained::left`].
    pub(super) fn drained(&self, left: usize) -> Drained {
        let inner = self.lock();
        Drained { closed: inner.closed, dropped: inner.dropped, left, guards: inner.guards }
    }

    /// Waits until no member and no guard is left.
    pub(super) async fn emptied(&self) {
        let is_empty = |inner: &Inner| inner.members.is_empty() && inner.guards == 0;
        wait_until(&self.emptied, || is_empty(&self.lock())).await;
    }

    /// Waits until no member is left.
    pub(super) async fn members_left(&self) {
        wait_until(&self.emptied, || self.lock().members.is_empty()).await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it holds the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until a condition is true, which may change at each notification.
async fn wait_until(changed: &Notify, is_true: impl Fn() -> bool) {
    loop {
        let mut notified = pin!(changed.notified());
        notified.as_mut().enable();
        if is_true() {
            return;
        }
        notified.await;
    }
}
