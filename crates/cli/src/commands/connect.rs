//! `sockeye connect`: opens a WebSocket and joins it to a terminal or to pipes.
//!
//! ```text
//!  arguments ─► opening ─► session ─► output (terminal, or messages framed for a pipe)
//!                            ▲   └──► recorder (ndjson)
//!  terminal or framing ─► input thread ─► sending task
//!  script ─► execution ─► session
//! ```

use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use sockeye::CloseCode;
use sockeye::split::Sender;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use self::output::Output;
use self::prompt::CloseOnDrop;
use self::recorder::Recorder;
use self::script::{Execution, Script};
use self::session::Session;
use self::source::Source;
use self::statistics::Statistics;

use crate::client::Failure;
use crate::host::shutdown::TerminationSignals;
use crate::runtime;

pub(crate) use self::arguments::Connect;

mod arguments;
mod condition;
mod failure;
mod framing;
mod input;
mod opening;
mod output;
mod output_end;
mod placeholders;
mod prompt;
mod recorder;
mod script;
mod sending;
mod session;
mod slash;
mod source;
mod statistics;
mod terminal;

/// Number of messages that wait between the thread that reads the input and the task that sends.
const INPUT_QUEUE: usize = 16;

/// Timeout of the closing handshake after a signal or `--timeout`: a user waits no longer.
const CLOSE_AFTER_STOP: Duration = Duration::from_secs(1);

/// Opens the connection and runs the session until one of its ends.
///
/// # Errors
/// A [`Failure`], which has the exit code, for everything but a runtime that cannot be started.
pub(crate) fn run(options: &Connect) -> anyhow::Result<()> {
    let mode = terminal::Mode::save();
    let result = runtime::run(async {
        // From here on, the signals are handled: before the session begins.
        let signals = TerminationSignals::listen()?;
        Ok(until_stopped(options, signals).await?)
    });
    mode.restore();
    result
}

/// Runs the session until it ends by itself, by a signal, by `--timeout`, or because nobody reads
/// its output.
async fn until_stopped(options: &Connect, mut signals: TerminationSignals) -> Result<(), Failure> {
    let statistics = Arc::new(Mutex::new(Statistics::start()));
    // The sender of the open connection, for a closing handshake when the session is stopped.
    let opened = OnceLock::new();
    let mut session = Box::pin(connect(options, &statistics, &opened));
    let timeout = async {
        match options.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let stopped = tokio::select! {
        biased;
        () = signals.next() => Ok(Failure::interrupted("interrupted")),
        result = &mut session => Err(result),
        () = timeout => Ok(Failure::timeout(options.timeout.unwrap_or_default())),
        () = output_end::closed() => Ok(Failure::output(&io::ErrorKind::BrokenPipe.into())),
    };
    let result = match stopped {
        Err(result) => result,
        Ok(failure) => {
            if let Some(sender) = opened.get() {
                let closing = sender.close(CloseCode::GOING_AWAY, "");
                if closing.is_ok() {
                    let _ = tokio::time::timeout(CLOSE_AFTER_STOP, &mut session).await;
                }
            }
            Err(failure)
        }
    };
    drop(session);
    if let Some(format) = &options.write_out {
        let exit_code = result.as_ref().err().map_or(0, Failure::exit_code);
        let text = statistics.lock().map_err(|_| Failure::poisoned())?.format(format, exit_code);
        let mut stdout = tokio::io::stdout();
        let written = stdout.write_all(text.as_bytes()).await;
        written.and(stdout.flush().await).map_err(|error| Failure::output(&error))?;
    }
    result
}

async fn connect(
    options: &Connect,
    statistics: &Arc<Mutex<Statistics>>,
    opened: &OnceLock<Sender>,
) -> Result<(), Failure> {
    // Files and arguments are checked before anything is sent.
    let script = options.script.as_deref().map(|file| Script::read(file, &options.variable));
    let script = script.transpose()?;
    let recorder = Recorder::create(options.record.as_deref())?;
    let source = Source::of(options)?;
    let observed = Arc::clone(statistics);
    let client = opening::client(options)?.on_stage(move |stage| {
        if let Ok(mut statistics) = observed.lock() {
            statistics.pass(stage);
        }
    });
    let begun = Instant::now();
    let opened_connection = opening::open(&client, options).await;
    {
        let mut statistics = statistics.lock().map_err(|_| Failure::poisoned())?;
        statistics.handshake = Some(begun.elapsed());
        statistics.status = match &opened_connection {
            Ok(connection) => Some(connection.status()),
            Err(failure) => failure.http_status(),
        };
    }
    let (websocket, _http2) = opened_connection?.into_parts();
    let subprotocol = websocket.subprotocol().map(str::to_owned);
    statistics.lock().map_err(|_| Failure::poisoned())?.peer = websocket.peer_addr();
    let (sender, receiver) = websocket.split();
    let _ = opened.set(sender.clone());
    if let Some(script) = &script {
        let output = Output::new(options, None);
        let session = Session { options, sender, receiver, output, recorder, statistics };
        return Execution::new(script, session).run().await;
    }
    let (inputs, queue) = mpsc::channel(INPUT_QUEUE);
    let prompt = source.start(options, inputs)?;
    let _closing = prompt.clone().map(CloseOnDrop);
    let mut output = Output::new(options, prompt);
    output.note(&connected(subprotocol.as_deref())).await?;
    let events = sending::start(sender.clone(), queue, options.fragment);
    let session = Session { options, sender, receiver, output, recorder, statistics };
    session.run(events).await
}

fn connected(subprotocol: Option<&str>) -> String {
    match subprotocol {
        Some(subprotocol) => format!("connected, subprotocol {subprotocol}"),
        None => "connected".to_owned(),
    }
}
