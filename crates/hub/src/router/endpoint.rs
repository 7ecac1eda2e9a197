use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use super::writer::BoxFuture;
use super::{FromRequest, IntoReply, Reply, Request};

/// An async function that serves a command: its arguments are [extractors](FromRequest), up to
/// eight, and its result is a [reply](IntoReply). `Arguments` only tells functions of different
/// numbers of arguments apart.
///
/// ```
/// use sockeye_hub::router::{Failure, Json, Router, State};
///
/// async fn add(Json((a, b)): Json<(i64, i64)>) -> Result<Json<i64>, Failure> {
///     a.checked_add(b).map(Json).ok_or_else(|| Failure::bad_request("too large"))
/// }
///
/// let router = Router::new("calculator")
///     .on("add", add)
///     .on("name", async |State(name): State<&'static str>| name);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no endpoint of a router with the state `{S}`",
    note = "an endpoint is an async function that holds nothing across an `await` that is not `Send`",
    note = "its arguments are `Json`, `Text`, `Binary`, `State<T>` where `T: FromRef<{S}>`, `Data`, \
            `Context`, `Writer`, `Request`, or implement `FromRequest<{S}>`",
    note = "its result is `Json`, text, bytes, `()`, `NoReply`, or a `Result` of these and `Failure`"
)]
pub trait Endpoint<S, Arguments>: Clone + Send + Sync + Sized + 'static {
    /// Serves a command.
    fn call(self, request: Request, state: Arc<S>) -> impl Future<Output = Reply> + Send + 'static;
}

macro_rules! endpoint {
    ($($argument:ident)*) => {
        impl<F, Fut, R, S, $($argument,)*> Endpoint<S, ($($argument,)*)> for F
        where
            F: FnOnce($($argument),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: IntoReply + 'static,
            S: Send + Sync + 'static,
            $($argument: FromRequest<S> + 'static,)*
        {
            #[allow(non_snake_case, reason = "the types' names are those of the values")]
            #[allow(unused_variables, reason = "without arguments")]
            async fn call(self, request: Request, state: Arc<S>) -> Reply {
                $(
                    let $argument = match $argument::from_request(&request, &state).await {
                        Ok(argument) => argument,
                        Err(failure) => return Reply::Failure(failure),
                    };
                )*
                self($($argument),*).await.into_reply()
            }
        }
    };
}

endpoint!();
endpoint!(A);
endpoint!(A B);
endpoint!(A B C);
endpoint!(A B C D);
endpoint!(A B C D E);
endpoint!(A B C D E G);
endpoint!(A B C D E G H);
endpoint!(A B C D E G H I);

/// An endpoint of any type.
pub(super) trait ErasedEndpoint<S>: Send + Sync {
    fn call(&self, request: Request, state: Arc<S>) -> BoxFuture<'static, Reply>;
}

/// An endpoint with the arguments that its erased form forgets.
struct Typed<E, A> {
    endpoint: E,
    arguments: PhantomData<fn() -> A>,
}

pub(super) fn erase<S: 'static, A: 'static>(
    endpoint: impl Endpoint<S, A>,
) -> Arc<dyn ErasedEndpoint<S>> {
    Arc::new(Typed { endpoint, arguments: PhantomData })
}

impl<S: 'static, A, E: Endpoint<S, A>> ErasedEndpoint<S> for Typed<E, A> {
    fn call(&self, request: Request, state: Arc<S>) -> BoxFuture<'static, Reply> {
        Box::pin(self.endpoint.clone().call(request, state))
    }
}
