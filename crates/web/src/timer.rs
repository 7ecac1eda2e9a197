//! Timers and the clock of the browser: `setTimeout` and `performance.now`, in a page and in a
//! worker.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsValue, closure::Closure};

/// Maximum delay of `setTimeout`, in milliseconds; a longer delay fires at once. In HTML, section
/// 8.6, the delay is a signed 32-bit number.
const LONGEST: u128 = i32::MAX as u128;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(handler: &Closure<dyn FnMut()>, millis: i32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// Returns the time since the page or worker started. The clock is monotonic.
pub(crate) fn now() -> Duration {
    Duration::try_from_secs_f64(performance_now() / 1000.0).unwrap_or_default()
}

/// A timer of at most 24.8 days. Dropping it cancels the timer.
///
/// The clock, and not the timer, decides when the time has elapsed: timers of a busy page fire
/// late, and those of a hidden page fire at most once a second.
pub struct Sleep {
    /// The deadline, on the clock of [`now`].
    due: Duration,
    state: Rc<RefCell<State>>,
    id: JsValue,
    _handler: Closure<dyn FnMut()>,
}

#[derive(Default)]
struct State {
    over: bool,
    waker: Option<Waker>,
}

impl Sleep {
    /// Starts a timer.
    pub fn new(duration: Duration) -> Self {
        let due = now().saturating_add(duration);
        let state = Rc::new(RefCell::new(State::default()));
        let handler = Closure::<dyn FnMut()>::new({
            let state = state.clone();
            move || {
                state.borrow_mut().over = true;
                let waker = state.borrow_mut().waker.take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        });
        // Rounded up: a deadline may pass late, but never early.
        let millis = duration.as_nanos().div_ceil(1_000_000).min(LONGEST);
        let id = set_timeout(&handler, i32::try_from(millis).unwrap_or(i32::MAX));
        Self { due, state, id, _handler: handler }
    }

    /// Returns ready when the time has elapsed; otherwise registers the waker.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.over || self.due <= now() {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Self::poll(&self, cx)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        clear_timeout(&self.id);
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("over", &self.state.borrow().over).finish_non_exhaustive()
    }
}
