use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::procfs;
use crate::serve::ServerKind;
use crate::{Class, Stats};

/// Timeout of a command other than `drain`.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);

/// Environment that configures the server's allocator. glibc retains freed memory, the more so the
/// longer a program runs. These settings make it return what lies free at the end of its heaps, use
/// at most two heaps, and not move the threshold beyond which an allocation gets a mapping of its
/// own. The resident memory is then what the program uses plus the fragmentation.
const ALLOCATOR: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_TRIM_THRESHOLD_", "65536"),
    ("MALLOC_MMAP_THRESHOLD_", "131072"),
];

/// The server process.
pub(super) struct Server {
    child: Child,
    pid: u32,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// A sample of the server's state.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) stats: Stats,
    /// Resident memory, in KiB.
    pub(super) resident: u64,
    pub(super) files: usize,
}

/// The server's report at the end of a drain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    pub(super) closed: u64,
    pub(super) dropped: u64,
    pub(super) left: u64,
}

impl Server {
    pub(super) fn start(program: &Path, kind: ServerKind) -> anyhow::Result<Self> {
        let kind = kind.to_possible_value().context("a kind has a name")?;
        let mut child = Command::new(program)
            .arg(kind.get_name())
            .envs(ALLOCATOR)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let pid = child.id().context("the server has ended")?;
        let commands = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        Ok(Self { child, pid, commands, answers })
    }

    /// Starts serving, and returns the address.
    pub(super) async fn serve(&mut self) -> anyhow::Result<SocketAddr> {
        let answer = timeout(COMMAND_TIMEOUT, self.send_command("serve", "listening")).await;
        Ok(answer.context("timed out waiting for the server to listen")??.parse()?)
    }

    pub(super) async fn sample(&mut self) -> anyhow::Result<Sample> {
        let line = timeout(COMMAND_TIMEOUT, self.send_command("stats", ""))
            .await
            .context("timed out waiting for statistics")??;
        Ok(Sample {
            stats: Stats::parse(&line),
            resident: procfs::resident_kib(self.pid)?,
            files: procfs::files(self.pid)?,
        })
    }

    /// Trims the server's allocator by means of a debugger: a program cannot do that without unsafe
    /// code. Returns whether it succeeded.
    pub(super) async fn trim(&self) -> bool {
        let pid = self.pid.to_string();
        let debugger = Command::new("gdb")
            .args(["-nx", "-batch", "-p", &pid, "-ex", "call (int)malloc_trim(0)"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        match timeout(COMMAND_TIMEOUT, debugger).await {
            Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).contains("$1 = "),
            _ => false,
        }
    }

    /// Drains the server, and waits until that has finished.
    pub(super) async fn drain(&mut self) -> anyhow::Result<Drain> {
        let answer = self.send_command("drain", "drained").await?;
        let numbers: Vec<u64> = answer.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [closed, dropped, left] = numbers[..] else { bail!("invalid drain report: {answer}") };
        Ok(Drain { closed, dropped, left })
    }

    /// Ends the server. Returns whether it exited with success.
    pub(super) async fn quit(mut self) -> anyhow::Result<bool> {
        self.commands.write_all(b"quit\n").await?;
        let status = timeout(COMMAND_TIMEOUT, self.child.wait())
            .await
            .context("timed out waiting for the server to exit")??;
        Ok(status.success())
    }

    async fn send_command(&mut self, command: &str, answer: &str) -> anyhow::Result<String> {
        self.commands.write_all(format!("{command}\n").as_bytes()).await?;
        let line = self.answers.next_line().await?.context("the server has ended")?;
        let Some(rest) = line.strip_prefix(answer) else {
            bail!("unexpected answer to {command}: {line}")
        };
        Ok(rest.trim().to_owned())
    }
}

impl Sample {
    /// Describes each resource of which there is more than in `baseline`, the sample before the
    /// first connection.
    pub(super) fn leaks(&self, baseline: &Self) -> Vec<String> {
        let mut leaks = Vec::new();
        let mut compare = |what: &str, now: u64, before: u64| {
            if now > before {
                leaks.push(format!("{now} {what}, {before} at the start"));
            }
        };
        compare("connections", self.stats.value("live"), 0);
        compare("tasks", self.stats.value("tasks"), baseline.stats.value("tasks"));
        compare("files", self.files as u64, baseline.files as u64);
        for class in Class::ALL {
            let (accepted, sent) = (self.stats.of(class, "accepted"), self.stats.of(class, "sent"));
            let known = sent + self.stats.dropped(class);
            if known != accepted {
                leaks.push(format!(
                    "{}: {accepted} messages accepted, {known} sent or dropped",
                    class.path()
                ));
            }
        }
        leaks
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dropped: u64 = Class::ALL.into_iter().map(|class| self.stats.dropped(class)).sum();
        write!(
            f,
            "{} live, {} opened, {} files, {} tasks, {} messages in, {} out, {dropped} dropped, {} KiB",
            self.stats.value("live"),
            self.stats.total("opened"),
            self.files,
            self.stats.value("tasks"),
            self.stats.total("received"),
            self.stats.total("sent"),
            self.resident,
        )
    }
}

impl fmt::Display for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} closed, {} dropped, {} left", self.closed, self.dropped, self.left)
    }
}
