//! Request bodies that can be sent again.

use std::collections::VecDeque;
use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// Maximum number of bytes that are kept for another attempt. Chosen: most requests of unary calls
/// are shorter. A longer body is sent once.
const MAX_KEPT: usize = 64 * 1024;

/// Maximum number of frames that are kept.
const MAX_KEPT_FRAMES: usize = 64;

type BoxError = Box<dyn Error + Send + Sync>;

/// A request body of which several attempts can be made, until it is longer than what is kept, or
/// until [`ReplayBody::commit`].
#[derive(Debug)]
pub(super) struct ReplayBody<B> {
    shared: Arc<Mutex<Shared<B>>>,
}

#[derive(Debug)]
struct Shared<B> {
    body: B,
    /// The frames so far, while another attempt may be made or repeats them.
    kept: Option<Kept>,
    /// Number of kept frames that the current attempt has repeated; `None` once it has repeated all
    /// of them.
    repeated: Option<usize>,
    /// Set once the body has ended.
    has_ended: bool,
    /// Set when no other attempt will be made.
    is_last: bool,
    /// Number of the current attempt. An earlier one yields nothing more.
    attempt: u32,
}

#[derive(Debug, Default)]
struct Kept {
    data: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    size: usize,
}

impl<B> ReplayBody<B> {
    pub(super) fn new(body: B) -> Self {
        let shared = Shared {
            body,
            kept: Some(Kept::default()),
            repeated: None,
            has_ended: false,
            is_last: false,
            attempt: 0,
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Returns the body for another attempt, or `None` if the body can no longer be sent again. The
    /// bodies of earlier attempts yield nothing more.
    pub(super) fn attempt(&self) -> Option<AttemptBody<B>> {
        let mut shared = lock(&self.shared);
        if shared.is_last || shared.kept.is_none() {
            return None;
        }
        shared.repeated = Some(0);
        shared.attempt += 1;
        Some(AttemptBody { shared: Arc::clone(&self.shared), number: shared.attempt })
    }

    /// Returns whether another attempt can be made.
    pub(super) fn can_repeat(&self) -> bool {
        let shared = lock(&self.shared);
        !shared.is_last && shared.kept.is_some()
    }

    /// Makes the current attempt the last.
    pub(super) fn commit(&self) {
        let mut shared = lock(&self.shared);
        shared.is_last = true;
        // Otherwise the current attempt still needs the frames.
        if shared.repeated.is_none() {
            shared.kept = None;
        }
    }
}

fn lock<B>(shared: &Mutex<Shared<B>>) -> MutexGuard<'_, Shared<B>> {
    // A body that panics while it is polled ends its task, and the body with it.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B> Shared<B> {
    /// Returns the next frame that the current attempt has to repeat.
    fn repeat(&mut self) -> Option<Frame<Bytes>> {
        let (index, kept) = (self.repeated?, self.kept.as_ref()?);
        if let Some(data) = kept.data.get(index) {
            self.repeated = Some(index + 1);
            return Some(Frame::data(data.clone()));
        }
        let trailers = kept.trailers.clone().map(Frame::trailers);
        self.repeated = None;
        if self.is_last {
            self.kept = None;
        }
        trailers
    }

    fn has_repeated(&self) -> bool {
        match (self.repeated, &self.kept) {
            (Some(index), Some(kept)) => index == kept.data.len() && kept.trailers.is_none(),
            _ => true,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Shared<B> {
    fn poll_new(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                self.keep(frame);
                self.has_ended = self.body.is_end_stream();
            }
            Some(Err(_)) => self.kept = None,
            None => self.has_ended = true,
        }
        Poll::Ready(frame)
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(kept) = &mut self.kept else { return };
        if let Some(data) = frame.data_ref() {
            kept.size += data.len();
            kept.data.push_back(data.clone());
        }
        kept.trailers = frame.trailers_ref().cloned();
        let is_over = kept.size > MAX_KEPT || kept.data.len() > MAX_KEPT_FRAMES;
        if is_over || self.is_last {
            self.kept = None;
        }
    }
}

/// The body of one attempt.
#[derive(Debug)]
pub(super) struct AttemptBody<B> {
    shared: Arc<Mutex<Shared<B>>>,
    number: u32,
}

impl<B> Body for AttemptBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let mut shared = lock(&this.shared);
        if shared.attempt != this.number {
            return Poll::Ready(Some(Err("another attempt of the call sends the body".into())));
        }
        if let Some(frame) = shared.repeat() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if shared.has_ended {
            return Poll::Ready(None);
        }
        shared.poll_new(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        let shared = lock(&self.shared);
        shared.has_repeated() && (shared.has_ended || shared.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::convert::Infallible;
    use std::future::poll_fn;

    use super::*;

    /// A body of these frames.
    #[derive(Debug)]
    struct Frames(VecDeque<Frame<Bytes>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }
    }

    fn data(texts: &[&'static str]) -> Frames {
        Frames(texts.iter().map(|text| Frame::data(Bytes::from_static(text.as_bytes()))).collect())
    }

    async fn next<B>(body: &mut AttemptBody<B>) -> Option<Result<Frame<Bytes>, BoxError>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
    }

    async fn read<B>(body: &mut AttemptBody<B>) -> String
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        let mut text = String::new();
        while let Some(frame) = next(body).await {
            let frame = frame.unwrap();
            match frame.into_data() {
                Ok(data) => text.push_str(std::str::from_utf8(&data).unwrap()),
                Err(_) => text.push('.'),
            }
        }
        text
    }

    #[tokio::test]
    async fn another_attempt_repeats_what_was_sent_and_goes_on() {
        let replay = ReplayBody::new(data(&["a", "b", "c"]));
        let mut first = replay.attempt().unwrap();
        assert!(!first.is_end_stream());
        next(&mut first).await.unwrap().unwrap();
        let mut second = replay.attempt().unwrap();
        assert!(next(&mut first).await.unwrap().is_err());
        assert_eq!(read(&mut second).await, "abc");
        assert!(second.is_end_stream());
        let mut third = replay.attempt().unwrap();
        assert!(!third.is_end_stream());
        assert_eq!(read(&mut third).await, "abc");
    }

    #[tokio::test]
    async fn trailers_are_repeated() {
        let mut body = data(&["a"]);
        body.0.push_back(Frame::trailers(HeaderMap::new()));
        let replay = ReplayBody::new(body);
        assert_eq!(read(&mut replay.attempt().unwrap()).await, "a.");
        assert_eq!(read(&mut replay.attempt().unwrap()).await, "a.");
    }

    #[tokio::test]
    async fn a_body_longer_than_the_limit_is_sent_once() {
        let long = Bytes::from(vec![7; MAX_KEPT + 1]);
        let replay = ReplayBody::new(Frames([Frame::data(long)].into()));
        let mut first = replay.attempt().unwrap();
        next(&mut first).await.unwrap().unwrap();
        assert!(replay.attempt().is_none());
        assert!(next(&mut first).await.is_none());
    }

    #[tokio::test]
    async fn nothing_is_kept_once_the_attempt_is_the_last() {
        let replay = ReplayBody::new(data(&["a", "b"]));
        let mut first = replay.attempt().unwrap();
        next(&mut first).await.unwrap().unwrap();
        replay.commit();
        assert!(lock(&replay.shared).kept.is_none());
        assert_eq!(read(&mut first).await, "b");
        assert!(replay.attempt().is_none());
    }

    #[tokio::test]
    async fn an_attempt_that_becomes_the_last_while_it_repeats_loses_nothing() {
        let replay = ReplayBody::new(data(&["a", "b", "c"]));
        let mut first = replay.attempt().unwrap();
        next(&mut first).await.unwrap().unwrap();
        next(&mut first).await.unwrap().unwrap();
        let mut second = replay.attempt().unwrap();
        next(&mut second).await.unwrap().unwrap();
        replay.commit();
        assert_eq!(read(&mut second).await, "bc");
        assert!(lock(&replay.shared).kept.is_none());
    }

    #[test]
    fn an_empty_body_ends_with_the_headers() {
        assert!(ReplayBody::new(data(&[])).attempt().unwrap().is_end_stream());
    }
}
