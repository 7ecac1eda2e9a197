//! The implementations of the services, for a server.

mod counts;
mod greeter;
mod test_service;

use std::sync::Arc;

use crate::proto::greeter_server::GreeterServer;
use crate::proto::test_service_server::TestServiceServer;
use counts::Counts;
pub use greeter::Greeter;
pub use test_service::TestService;

/// Maximum length of messages of these services, in bytes. Chosen: eight times
/// the longest that the tests send; tonic takes 4 MiB by default.
pub const MAX_MESSAGE_LENGTH: usize = 64 * 1024 * 1024;

/// Returns both services, which count their calls together.
pub fn services() -> (GreeterServer<Greeter>, TestServiceServer<TestService>) {
    let counts = Arc::new(Counts::default());
    let test_service = TestServiceServer::new(TestService::new(Arc::clone(&counts)))
        .max_decoding_message_size(MAX_MESSAGE_LENGTH)
        .max_encoding_message_size(MAX_MESSAGE_LENGTH);
    (GreeterServer::new(Greeter::new(counts)), test_service)
}
