//! The browser's clock and microtask queue, in a page or a worker.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;

/// Maximum delay of a browser timer, in milliseconds: the number is a signed one of 32 bits.
const MAX_TIMER: f64 = 2_147_483_647.0;

/// A time, in milliseconds since the page or worker started. Monotonic.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Instant(f64);

impl std::ops::Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration.as_secs_f64() * 1000.0)
    }
}

impl Instant {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clocks run forward"
    )]
    fn micros(self) -> u64 {
        (self.0 * 1000.0) as u64
    }
}

pub(crate) fn now() -> Instant {
    Instant(performance_now())
}

pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    wasm_bindgen_futures::spawn_local(task);
}

/// Returns random bits. They spread attempts over time and protect nothing.
pub(crate) fn random() -> u64 {
    // At most 53 random bits; never negative.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in 0..2^64")]
    let bits = (js_sys::Math::random() * 18_446_744_073_709_551_616.0) as u64;
    bits
}

/// A turn that a task yields to the others. Done when the task is polled again.
#[derive(Debug)]
pub(crate) struct Yield;

impl Yield {
    pub(crate) fn begin(cx: &mut Context<'_>) -> Self {
        cx.waker().wake_by_ref();
        Self
    }

    #[expect(clippy::unused_self, reason = "the native implementation has state to check")]
    pub(crate) fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// The bound of values that a task may hold: none, as there is only one thread.
#[allow(unreachable_pub, reason = "a bound of `Endpoint::with_connector` has to be public")]
pub trait MaybeSend {}

impl<T> MaybeSend for T {}

/// A boxed future that a task may hold.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

pub(crate) fn sleep(duration: Duration) -> Sleep {
    sleep_until(now() + duration)
}

pub(crate) fn sleep_until(deadline: Instant) -> Sleep {
    TIMERS.with_borrow_mut(|timers| timers.add(deadline))
}

/// A timer that is ready once its time has passed, whether the browser's timer has fired or not:
/// timers of a busy page fire late, and those of a hidden page once a second. So data that arrives
/// after the deadline is never treated as having arrived before.
///
/// All sleeps share one timer of the browser, which runs until the earliest is due: a call with a
/// deadline, which is usually met, costs a map entry and no JavaScript call except that of the
/// clock.
#[derive(Debug)]
pub(crate) struct Sleep {
    key: Key,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.key.0 <= now().micros() {
            return Poll::Ready(());
        }
        // The previous waker is dropped outside the borrow, as dropping it may drop a task, and
        // with it another timer.
        let replaced = TIMERS.with_borrow_mut(|timers| {
            let waker = timers.sleeping.get_mut(&self.key)?;
            Some(std::mem::replace(waker, cx.waker().clone()))
        });
        if replaced.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        TIMERS.with_borrow_mut(|timers| timers.sleeping.remove(&self.key));
    }
}

thread_local! {
    static TIMERS: RefCell<Timers> = RefCell::new(Timers {
        sleeping: BTreeMap::new(),
        next: 0,
        running: None,
        ring: Closure::new(ring),
    });
}

struct Timers {
    /// The pending sleeps, ordered by when they are due.
    sleeping: BTreeMap<Key, Waker>,
    /// Distinguishes sleeps that are due at the same time.
    next: u64,
    /// The browser's timer, and when it fires.
    running: Option<Running>,
    ring: Closure<dyn FnMut()>,
}

/// The due time in microseconds of the clock, and a sequence number.
type Key = (u64, u64);

struct Running {
    timer: JsValue,
    due: u64,
}

impl Timers {
    fn add(&mut self, deadline: Instant) -> Sleep {
        let key = (deadline.micros(), self.next);
        self.next += 1;
        self.sleeping.insert(key, Waker::noop().clone());
        self.run();
        Sleep { key }
    }

    /// Ensures that a timer runs that fires when the earliest sleep is due, or before.
    fn run(&mut self) {
        let Some((&(earliest, _), _)) = self.sleeping.first_key_value() else { return };
        if self.running.as_ref().is_some_and(|running| running.due <= earliest) {
            return;
        }
        if let Some(running) = self.running.take() {
            clear_timeout(&running.timer);
        }
        #[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
        let wait = (earliest as f64 / 1000.0 - now().0).ceil().clamp(0.0, MAX_TIMER);
        let timer = set_timeout(&self.ring, wait);
        self.running = Some(Running { timer, due: earliest });
    }

    /// Removes and returns the sleeps that are due.
    fn take_due(&mut self) -> BTreeMap<Key, Waker> {
        self.running = None;
        let later = self.sleeping.split_off(&(now().micros() + 1, 0));
        let due = std::mem::replace(&mut self.sleeping, later);
        self.run();
        due
    }
}

/// Handles the firing of the browser's timer.
fn ring() {
    // Woken outside the borrow, as a woken task may create timers.
    for waker in TIMERS.with_borrow_mut(Timers::take_due).into_values() {
        waker.wake();
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;

    /// Returns a number in browsers, and an object elsewhere.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Closure<dyn FnMut()>, milliseconds: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &JsValue);
}
