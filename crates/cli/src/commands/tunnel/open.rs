//! `sockeye tunnel open`: the end at which programs connect.

use std::sync::Arc;

use tokio::task::JoinSet;
use tracing::info;

use self::keeper::Keeper;
use self::link::Link;
use self::local::Local;
use self::remote::Remotes;
use self::udp::UdpForward;
use crate::client::Failure;
use crate::host::listen;
use crate::host::shutdown::TerminationSignals;
use crate::runtime;

pub(crate) use self::arguments::Open;

mod arguments;
mod associate;
mod flows;
mod forward;
mod http_proxy;
mod keeper;
mod link;
mod local;
mod proxy;
mod proxy_request;
mod remote;
mod report;
mod socks;
mod stdio;
mod udp;
mod users;

/// Runs the client until a signal stops it, or until the connection of `-W` has ended.
///
/// # Errors
/// A [`Failure`], which has the exit code.
pub(super) fn run(options: &Open) -> anyhow::Result<()> {
    runtime::run_on_this_thread(async { Ok(open(options).await?) })
}

async fn open(options: &Open) -> Result<(), Failure> {
    options.check()?;
    let mut keeper = Keeper::new(options)?;
    if let Some(target) = &options.stdio {
        return stdio::serve(&mut keeper, target).await;
    }
    // Addresses that are taken are reported before anything is sent.
    let locals = local::bind_all(options).await?;
    let udp = udp::bind_all(options).await?;
    let remotes = Arc::new(Remotes::new(&options.remote));
    let mut signals =
        TerminationSignals::listen().map_err(|error| Failure::other(format!("{error:#}")))?;
    let (link, publisher) = Link::new();
    let begun = async {
        let session = keeper.begin().await?;
        let binds = remotes.bind(&session).await?;
        Ok((session, binds))
    };
    let begun = tokio::select! {
        begun = begun => begun,
        () = signals.next() => Err(Failure::interrupted("interrupted")),
    };
    let (session, binds) = match begun {
        Ok(begun) => begun,
        Err(failure) => {
            keeper.close().await;
            return Err(failure);
        }
    };
    for line in locals.iter().map(Local::describe).chain(udp.iter().map(UdpForward::describe)) {
        listen::print_line(&line);
    }
    for bind in &binds {
        listen::print_line(&bind.describe());
    }
    let mut tasks = JoinSet::new();
    for local in locals {
        tasks.spawn(local.serve(link.clone()));
    }
    for forward in udp {
        tasks.spawn(forward.serve(link.clone()));
    }
    let result = tokio::select! {
        result = keeper.keep(session, binds, &remotes, &publisher) => result,
        () = signals.next() => Ok(()),
    };
    info!("shutting down");
    drop(tasks);
    keeper.close().await;
    result
}
