use http::{Extensions, Response};

use super::WebSocket;

/// The server's answer. Stored beside the application data, since connections of servers have none.
#[derive(Clone)]
struct Answer(Response<()>);

impl WebSocket {
    /// Returns the server's answer to the opening handshake, on a client: status, version and all
    /// headers, such as `Set-Cookie`. The status is 101, or over HTTP/2 200. `None` on a server.
    ///
    /// ```no_run
    /// # async fn example() -> sockeye::Result<()> {
    /// let ws = sockeye::connect("wss://example.com/chat").await?;
    /// let session = ws.response().and_then(|response| response.headers().get("x-session-id"));
    /// println!("{session:?}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A refusal's headers are in
    /// [`HandshakeError::Status`](crate::handshake::HandshakeError::Status).
    pub fn response(&self) -> Option<&Response<()>> {
        self.driver.data.get::<Answer>().map(|Answer(response)| response)
    }

    pub(crate) fn with_response(mut self, response: Response<()>) -> Self {
        self.driver.data.insert(Answer(response));
        self
    }

    /// Returns the application data of this type: attached by the hook that
    /// [admitted](crate::upgrade::Admission::data) the connection, or [set](Self::set_data) since.
    ///
    /// ```
    /// # use sockeye::WebSocket;
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// fn greeting(ws: &WebSocket) -> String {
    ///     ws.data().map_or("who are you?".into(), |User(name)| format!("hello {name}"))
    /// }
    /// ```
    pub fn data<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.driver.data.get()
    }

    /// Returns the same value as [`data`](Self::data), to be changed in place.
    pub fn data_mut<T: Send + Sync + 'static>(&mut self) -> Option<&mut T> {
        self.driver.data.get_mut()
    }

    /// Attaches a value to the connection, one of each type; returns the previous one. Values that
    /// are not cheap to clone go into an [`Arc`](std::sync::Arc).
    pub fn set_data<T: Clone + Send + Sync + 'static>(&mut self, data: T) -> Option<T> {
        self.driver.data.insert(data)
    }

    /// Returns all application data of the connection, for layers that pass it on.
    pub fn all_data(&self) -> &Extensions {
        &self.driver.data
    }

    /// Sets the initial data of the connection.
    pub(crate) fn with_data(mut self, data: Extensions) -> Self {
        self.driver.data = data;
        self
    }
}
