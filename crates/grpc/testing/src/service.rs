//! The implementations of the services, for a server.

mod counts;
mod greeter;
mod trial;

use std::sync::Arc;

use crate::proto::greeter_server::GreeterServer;
use crate::proto::trial_server::TrialServer;
use counts::Counts;
pub use greeter::Greeter;
pub use trial::Trial;

/// Maximum length of messages of these services, in bytes.
pub const MAX_MESSAGE_LENGTH: usize = 64 * 1024 * 1024;

/// Returns both services, which count their calls together.
pub fn services() -> (GreeterServer<Greeter>, TrialServer<Trial>) {
    let counts = Arc::new(Counts::default());
    let trial = TrialServer::new(Trial::new(Arc::clone(&counts)))
        .max_decoding_message_size(MAX_MESSAGE_LENGTH)
        .max_encoding_message_size(MAX_MESSAGE_LENGTH);
    (GreeterServer::new(Greeter::new(counts)), trial)
}
