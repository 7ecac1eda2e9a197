use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::ops::Deref;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sockeye::Utf8Bytes;
use sockeye::bytes::Bytes;

use super::{Content, Context, EncodeError, Failure, IntoContent, Request, Writer};

/// An argument of an endpoint: made from the command before the endpoint is called.
///
/// A type of the application becomes an extractor by implementing this trait. The failure of an
/// extractor is the reply to the command, and the endpoint is not called:
///
/// ```
/// use sockeye_hub::router::{Failure, FromRequest, Request};
///
/// #[derive(Clone)]
/// struct User {
///     name: String,
/// }
///
/// impl<S: Sync> FromRequest<S> for User {
///     async fn from_request(request: &Request, _: &S) -> Result<Self, Failure> {
///         request.data().ok_or_else(|| Failure::unauthorized("log in first"))
///     }
/// }
///
/// async fn who_am_i(user: User) -> String {
///     user.name
/// }
/// # sockeye_hub::router::Router::new(()).on("whoAmI", who_am_i);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no argument of an endpoint of a router with the state `{S}`",
    note = "the extractors are `State`, `Json`, `Text`, `Binary`, `Data`, `Context`, `Writer`, \
            `Request` and types that implement `FromRequest`",
    note = "`State<T>` needs `T: FromRef<{S}>`"
)]
pub trait FromRequest<S>: Sized + Send {
    /// Makes the value. `state` is that of the router.
    ///
    /// # Errors
    /// A [`Failure`], which is sent to the client.
    fn from_request(
        request: &Request,
        state: &S,
    ) -> impl Future<Output = Result<Self, Failure>> + Send;
}

/// The failure of an extractor, for an endpoint that goes on without the value.
impl<S: Sync, T: FromRequest<S>> FromRequest<S> for Result<T, Failure> {
    async fn from_request(request: &Request, state: &S) -> Result<Self, Failure> {
        Ok(T::from_request(request, state).await)
    }
}

/// Extracts the state of the router, or a part of it that implements [`FromRef`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<S: Sync, T: FromRef<S> + Send> FromRequest<S> for State<T> {
    async fn from_request(_: &Request, state: &S) -> Result<Self, Failure> {
        Ok(Self(T::from_ref(state)))
    }
}

/// A part of a router's state `S`, for [`State`]. The state itself, if it can be cloned, is one.
///
/// ```
/// use std::sync::Arc;
///
/// use sockeye_hub::router::{FromRef, Router, State};
///
/// # struct Database;
/// #[derive(Clone)]
/// struct Db(Arc<Database>);
///
/// struct App {
///     db: Db,
/// }
///
/// impl FromRef<App> for Db {
///     fn from_ref(app: &App) -> Self {
///         app.db.clone()
///     }
/// }
///
/// async fn list_users(State(db): State<Db>) {}
///
/// # let db = Db(Arc::new(Database));
/// let router = Router::new(App { db }).on("listUsers", list_users);
/// ```
pub trait FromRef<S> {
    /// Clones the part.
    fn from_ref(state: &S) -> Self;
}

impl<S: Clone> FromRef<S> for S {
    fn from_ref(state: &S) -> Self {
        state.clone()
    }
}

/// A JSON value: extracted from a command's content, and sent as the content of a reply or an
/// event.
///
/// A command without content is `null`. With the codecs [`TextCommands`] and [`Packets`], the
/// content is the text of the value.
///
/// Content that does not fit `T` is answered with [`BAD_REQUEST`], which names the reason.
///
/// [`TextCommands`]: super::codec::TextCommands
/// [`Packets`]: super::codec::Packets
/// [`BAD_REQUEST`]: super::FailureCode::BAD_REQUEST
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<S: Sync, T: DeserializeOwned + Send> FromRequest<S> for Json<T> {
    async fn from_request(request: &Request, _: &S) -> Result<Self, Failure> {
        let value = match request.content() {
            Content::Json(text) | Content::Text(text) if !text.is_empty() => {
                serde_json::from_str(text)
            }
            Content::Binary(bytes) if !bytes.is_empty() => serde_json::from_slice(bytes),
            _ => serde_json::from_str("null"),
        };
        value.map(Self).map_err(|error| does_not_fit(&error))
    }
}

impl<T: Serialize> IntoContent for Json<T> {
    fn into_content(self) -> Result<Content, EncodeError> {
        let text = serde_json::to_string(&self.0).map_err(EncodeError::Json)?;
        Ok(Content::Json(text.into()))
    }
}

/// Text: extracted from a command's content. In a JSON command, the content must be a string. A
/// command without content has the empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub Utf8Bytes);

impl<S: Sync> FromRequest<S> for Text {
    async fn from_request(request: &Request, _: &S) -> Result<Self, Failure> {
        match request.content() {
            Content::Empty => Ok(Self(Utf8Bytes::new())),
            Content::Text(text) => Ok(Self(text.clone())),
            Content::Json(text) => json_string(text).map(|text| Self(text.into())),
            Content::Binary(bytes) => Utf8Bytes::try_from(bytes.clone())
                .map(Self)
                .map_err(|_| Failure::bad_request("the content is not UTF-8")),
        }
    }
}

impl IntoContent for Text {
    fn into_content(self) -> Result<Content, EncodeError> {
        Ok(Content::Text(self.0))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bytes: extracted from a command's content. In a JSON or text command, the content must be Base64
/// (RFC 4648 section 4, with padding), and so are the bytes of a reply. A command without content
/// has no bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binary(pub Bytes);

impl<S: Sync> FromRequest<S> for Binary {
    async fn from_request(request: &Request, _: &S) -> Result<Self, Failure> {
        match request.content() {
            Content::Empty => Ok(Self(Bytes::new())),
            Content::Binary(bytes) => Ok(Self(bytes.clone())),
            Content::Text(text) => base64(text).map(Self),
            Content::Json(text) => base64(&json_string(text)?).map(Self),
        }
    }
}

impl IntoContent for Binary {
    fn into_content(self) -> Result<Content, EncodeError> {
        Ok(Content::Binary(self.0))
    }
}

impl Deref for Binary {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Extracts a value of this type that was attached to the command [by a layer](Request::set_data),
/// or to the connection: [by an endpoint](Context::set_data), or [when the client was
/// admitted](sockeye::upgrade::Admission::data). A missing value is answered with
/// [`INTERNAL`](super::FailureCode::INTERNAL).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<T>(pub T);

impl<S: Sync, T: Clone + Send + Sync + 'static> FromRequest<S> for Data<T> {
    async fn from_request(request: &Request, _: &S) -> Result<Self, Failure> {
        request.data().map(Self).ok_or_else(|| {
            let name = std::any::type_name::<T>();
            Failure::internal(format!("neither the command nor the connection has a {name}"))
        })
    }
}

/// The whole command, for an endpoint that reads its content in any form.
impl<S: Sync> FromRequest<S> for Request {
    async fn from_request(request: &Request, _: &S) -> Result<Self, Failure> {
        Ok(request.clone())
    }
}

impl<S: Sync> FromRequest<S> for Context {
    async fn from_request(request: &Request, _: &S) -> Result<Self, Failure> {
        Ok(request.context().clone())
    }
}

impl<S: Sync> FromRequest<S> for Writer {
    async fn from_request(request: &Request, _: &S) -> Result<Self, Failure> {
        Ok(request.context().writer().clone())
    }
}

fn json_string(text: &str) -> Result<Cow<'_, str>, Failure> {
    // A string without escapes is borrowed, which `Cow` alone never does.
    if let Ok(text) = serde_json::from_str::<&str>(text) {
        return Ok(Cow::Borrowed(text));
    }
    serde_json::from_str::<String>(text).map(Cow::Owned).map_err(|error| does_not_fit(&error))
}

fn base64(text: &str) -> Result<Bytes, Failure> {
    STANDARD
        .decode(text)
        .map(Bytes::from)
        .map_err(|error| Failure::bad_request(format!("the content is not Base64: {error}")))
}

fn does_not_fit(error: &serde_json::Error) -> Failure {
    Failure::bad_request(format!("the content does not fit: {error}"))
}
