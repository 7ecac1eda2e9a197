//! `sockeye call`: makes a gRPC call in any of its protocols, with JSON in and out.
//!
//! ```text
//!  arguments ─► address ─► connector ─► catalog (reflection or a file) ─► method
//!                                │                                          │
//!     input (JSON) ─► requests ──┴─► protocol ──► output (JSON, headers) ◄──┘
//! ```

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use sockeye_gateway::status::Code;

use self::connector::Connector;
use self::exchange::Exchange;
use self::output::Output;
use self::protocol::Protocol;
use self::requests::Requests;

use crate::client::Failure;
use crate::runtime;

pub(crate) use self::arguments::Call;

mod address;
mod arguments;
mod catalog;
mod connector;
mod describe;
mod envelopes;
mod exchange;
mod failure;
mod input;
mod json_text;
mod output;
mod protocol;
mod requests;
mod rpc_error;

/// Maximum length of a message, in bytes, in each direction and form: that of the transcoder.
const MAX_MESSAGE: usize = 64 << 20;

/// Makes the call, or prints what the arguments ask for.
///
/// # Errors
/// A [`Failure`], which has the exit code, for everything but a runtime that cannot be started.
pub(crate) fn run(options: &Call) -> anyhow::Result<()> {
    runtime::run(async {
        tokio::select! {
            result = call(options) => result.map_err(Into::into),
            Ok(()) = tokio::signal::ctrl_c() => {
                Err(Failure::interrupted("interrupted: the call is cancelled").into())
            }
        }
    })
}

async fn call(options: &Call) -> Result<(), Failure> {
    let connector = Connector::new(options)?;
    let schema = catalog::load(options, &connector).await?;
    let Some(target) = options.call_target() else {
        let text = match options.query() {
            arguments::Query::List(symbol) => catalog::list(&schema, symbol)?,
            arguments::Query::Describe(symbol) => describe::describe(&schema, symbol)?,
        };
        return output::print(&text);
    };
    let method = catalog::find_method(&schema, target)?;
    let requests = Requests::open(method, options.data.as_deref())?;
    let output = Output::new(method, options.output, options.headers);
    let deadline = options.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let exchange = Exchange { connector: &connector, method, metadata: &options.header, deadline };
    let making = Box::pin(make(exchange, options, requests, output));
    let Some(deadline) = deadline else { return making.await };
    timeout_at(deadline, making).await.unwrap_or_else(|_| Err(too_late(options.timeout)))
}

async fn make(
    exchange: Exchange<'_>,
    options: &Call,
    requests: Requests<'_>,
    output: Output<'_>,
) -> Result<(), Failure> {
    match options.protocol {
        Protocol::Grpc => protocol::grpc::call(exchange, requests, output).await,
        Protocol::GrpcWeb => protocol::grpc_web::call(exchange, false, requests, output).await,
        Protocol::GrpcWebText => protocol::grpc_web::call(exchange, true, requests, output).await,
        Protocol::Connect => protocol::connect::call(exchange, options.get, requests, output).await,
        Protocol::Websocket => protocol::websocket::call(exchange, requests, output).await,
        Protocol::Json => protocol::json::call(exchange, requests, output).await,
    }
}

fn too_late(timeout: Option<Duration>) -> Failure {
    let timeout = timeout.unwrap_or_default();
    Failure::status(Code::DeadlineExceeded, &format!("no end of the call within {timeout:?}"), &[])
}
