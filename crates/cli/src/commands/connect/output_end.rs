//! The end of the standard output: nobody reads the pipe any more.

use tokio::sync::oneshot;

/// Waits until the reader of the standard output has closed its end. A write would fail then; a
/// program that writes nothing, because the server sends nothing, would not notice.
pub(super) async fn closed() {
    // The thread may be missing, or the system may not tell: then only a write fails.
    if watch().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Starts the thread that waits. It ends with the process.
fn watch() -> oneshot::Receiver<()> {
    let (sender, closed) = oneshot::channel();
    let wait = move || {
        if wait_until_closed() {
            // The session may have ended meanwhile.
            let _ = sender.send(());
        }
    };
    let _ = std::thread::Builder::new().name("output".to_owned()).spawn(wait);
    closed
}

/// Returns `true` when the standard output is closed, and `false` if that cannot be found out.
#[cfg(unix)]
fn wait_until_closed() -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;

    let stdout = std::io::stdout();
    // Errors and hang-ups are reported though no event is requested.
    let mut output = [PollFd::new(&stdout, PollFlags::empty())];
    loop {
        match poll(&mut output, None) {
            Ok(_) => return output[0].revents().intersects(PollFlags::ERR | PollFlags::HUP),
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

#[cfg(not(unix))]
fn wait_until_closed() -> bool {
    false
}
