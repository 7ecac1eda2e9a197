use http::Extensions;

use super::WebSocket;

impl WebSocket {
    /// The value of this type that the program keeps with the connection: from the hook that
    /// [admitted](crate::upgrade::Admission::data) it, or [set](Self::set_data) since.
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
        self.data.get()
    }

    /// As [`data`](Self::data), to be changed in place.
    pub fn data_mut<T: Send + Sync + 'static>(&mut self) -> Option<&mut T> {
        self.data.get_mut()
    }

    /// Keeps a value with the connection, one of each type; gives back the one that was there. Values that are not cheap
    /// to clone go into an [`Arc`](std::sync::Arc).
    pub fn set_data<T: Clone + Send + Sync + 'static>(&mut self, data: T) -> Option<T> {
        self.data.insert(data)
    }

    /// All that the connection begins with.
    pub(crate) fn with_data(self, data: Extensions) -> Self {
        Self { data, ..self }
    }
}
