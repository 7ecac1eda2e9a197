//! tokio's clock and tasks.

use std::pin::Pin;
use std::time::Duration;

pub(crate) use tokio::time::Instant;

/// What a task may hold: here, what may pass from one thread to another.
pub(crate) use std::marker::Send as MaybeSend;

/// Ready when its time has passed.
pub(crate) type Sleep = Pin<Box<tokio::time::Sleep>>;

pub(crate) fn sleep(duration: Duration) -> Sleep {
    Box::pin(tokio::time::sleep(duration))
}

pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// Random bits, or zeros if the system has none to give: they spread attempts and protect nothing.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// A future of any kind that a task may hold.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
