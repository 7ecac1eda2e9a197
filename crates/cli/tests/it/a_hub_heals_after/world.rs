//! The brokers, nodes and clients of a case, and what must hold once its fault is over.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sockeye_hub::core::{Position, SessionId};
use tokio::time::sleep;

use super::broker::{Broker, BrokerKind};
use super::checker::{Figures, Observation, Observations, Recording, Stored};
use super::members::Presence;
use super::network::{Cut, Host, Network};
use super::observer::{Observer, Publisher, history, recover};

const NODES: usize = 3;
const OBSERVERS_OF_NODE: usize = 2;
const PORT: u16 = 8080;

/// The time in which a hub heals once a fault is over: all clients are in their rooms, publications
/// through each node reach all observers, and all nodes list the members. The sum of the steps that
/// may follow each other: 3 s until a node notices that its link is broken, 3 s for an attempt to
/// restore it, 2 s between attempts, 5 s for a publication that waits for a reply, and 2 s until
/// the next heartbeat.
const HEALED_WITHIN: Duration = Duration::from_secs(15);

/// The time in addition with nats-server 2.9, from which a node reads what clients have missed one
/// publication at a time. Chosen: 500 of them took 15 s on a machine at load 28.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// The time for everything to start on a loaded machine. A cluster elects its leaders first.
const STARTED_WITHIN: Duration = Duration::from_secs(90);

/// The time for steps that are no part of a fault.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum memory of a node, built without optimisation. Chosen: the slowest case publishes
/// ten times as much to each observer.
const MAX_MEBIBYTES: u64 = 256;

/// The rooms of all cases. The history is longer than a case, so that nothing is trimmed.
const RULES: &str = r#"
[default]
may_join = "anybody"
may_publish = "anybody"
may_see_presence = "anybody"
may_see_history = "anybody"
presence = true
history_size = 100000
history_age = "1h"
HISTORY_BYTES

[namespaces.caught]
may_join = "anybody"
may_publish = "anybody"
may_see_presence = "anybody"
may_see_history = "anybody"
presence = true
history_size = 100000
history_age = "1h"
HISTORY_BYTES
policy = "catch_up"

[namespaces.live]
may_join = "anybody"
may_publish = "anybody"
"#;

/// The effects that a fault may have. No other deviation is accepted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effects {
    /// `true` if the store loses publications: every observer is told of a gap.
    pub(crate) loses: bool,
    /// `true` if publications are dropped for a slow observer.
    pub(crate) drops: bool,
    /// The nodes whose leases may end at the others.
    pub(crate) expired: &'static [usize],
    /// Time in addition to [`HEALED_WITHIN`].
    pub(crate) slower_by: Duration,
}

/// Three nodes, with the brokers between them and clients of each.
#[derive(Debug)]
pub(crate) struct World {
    name: String,
    kind: BrokerKind,
    room: &'static str,
    // Dropped in this order: processes before their hosts.
    pub(crate) publishers: Vec<Publisher>,
    pub(crate) observers: Vec<Observer>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) brokers: Vec<Broker>,
    folder: PathBuf,
}

/// A process `sockeye serve` on a host of its own, killed when dropped.
#[derive(Debug)]
pub(crate) struct Node {
    process: Child,
    address: SocketAddr,
    arguments: Vec<String>,
    log: PathBuf,
    pub(crate) host: Host,
}

impl World {
    /// Starts a case with a broker, or with a cluster of three, and waits until all clients receive
    /// what the others publish to `room`.
    pub(crate) async fn start(
        name: &str,
        kind: BrokerKind,
        brokers: usize,
        room: &'static str,
    ) -> Self {
        let name = format!("{kind:?} {name}");
        let folder = format!("sockeye-{}-{}", std::process::id(), name.replace(' ', "-"));
        let folder = std::env::temp_dir().join(folder);
        // Process ids begin anew in each namespace: a case that failed has left its store there.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        // NATS has no bound for the bytes of a room.
        let bytes = if kind == BrokerKind::Redis { "history_bytes = 67108864" } else { "" };
        let rules = folder.join("hub.toml");
        std::fs::write(&rules, RULES.replace("HISTORY_BYTES", bytes)).unwrap();
        let mut network = Network::new();
        let hosts = (0..brokers).map(|_| network.add_host()).collect();
        let brokers = Broker::start_all(kind, hosts, &folder);
        let nodes: Vec<_> = (0..NODES)
            .map(|number| {
                let url = brokers[number % brokers.len()].url();
                let log = folder.join(format!("node{number}.log"));
                Node::start(network.add_host(), &url, &rules, log)
            })
            .collect();
        let mut observers = Vec::new();
        let mut publishers = Vec::new();
        for (number, node) in nodes.iter().enumerate() {
            for observer in 0..OBSERVERS_OF_NODE {
                let name = format!("observer {observer} of node {number}");
                observers.push(Observer::join(name, (number, node.address), room));
            }
            publishers.push(Publisher::start(number, node.address, room));
        }
        let world = Self { name, kind, room, publishers, observers, nodes, brokers, folder };
        let started = world.heals(STARTED_WITHIN).await;
        started.unwrap_or_else(|error| panic!("{}: does not start: {error}", world.name));
        world
    }

    /// Waits until a condition of the world holds.
    pub(crate) async fn wait_until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + STEP_TIMEOUT;
        while !condition(self) {
            assert!(Instant::now() < deadline, "{}: {what} takes too long", self.name);
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Drops all packets from a node to the brokers.
    pub(crate) fn cut_to_brokers(&self, node: usize) -> Vec<Cut> {
        let node = &self.nodes[node].host;
        self.brokers.iter().map(|broker| node.cut_to(&broker.host)).collect()
    }

    /// Drops all packets from the brokers to a node.
    pub(crate) fn cut_from_brokers(&self, node: usize) -> Vec<Cut> {
        let node = &self.nodes[node].host;
        self.brokers.iter().map(|broker| broker.host.cut_to(node)).collect()
    }

    pub(crate) fn acknowledged(&self) -> Vec<Stored> {
        self.publishers.iter().flat_map(Publisher::acknowledged).collect()
    }

    /// Waits until publishers have got this number of further acknowledgements.
    pub(crate) async fn publish_more(&self, count: usize) {
        let before = self.acknowledged().len();
        let enough = |world: &Self| world.acknowledged().len() >= before + count;
        self.wait_until("publishing", enough).await;
    }

    /// Lets all publishers finish their current publication, and stop.
    pub(crate) async fn pause_publishers(&self) {
        self.publishers.iter().for_each(|publisher| publisher.set_running(false));
        let idle = |world: &Self| world.publishers.iter().all(Publisher::is_idle);
        self.wait_until("acknowledging the last publications", idle).await;
    }

    pub(crate) fn resume_publishers(&self) {
        self.publishers.iter().for_each(|publisher| publisher.set_running(true));
    }

    /// Reads the history of the room through a node, as soon as it can be read.
    pub(crate) async fn history(&self, node: usize) -> (Vec<Stored>, Position) {
        let deadline = Instant::now() + STEP_TIMEOUT;
        loop {
            match history(&self.publishers[node].client, self.room).await {
                Ok(read) => return read,
                Err(error) if Instant::now() > deadline => panic!("{}: {error}", self.name),
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Waits until the hub works again, and returns the time that it takes.
    async fn heals(&self, within: Duration) -> Result<Duration, String> {
        let begin = Instant::now();
        let numbers: Vec<_> = self.publishers.iter().map(Publisher::next_number).collect();
        while let Err(missing) = self.is_healed(&numbers).await {
            if begin.elapsed() > within {
                return Err(format!("{missing} after {within:?}"));
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(begin.elapsed())
    }

    /// Returns what is missing until the hub works, with what was published after these numbers.
    async fn is_healed(&self, numbers: &[u64]) -> Result<(), String> {
        let mut sessions = BTreeSet::new();
        for observer in &self.observers {
            let name = &observer.name;
            let session = observer.session();
            sessions.insert(session.ok_or_else(|| format!("{name} is not in the room"))?);
            let record = observer.record();
            for (publisher, number) in numbers.iter().enumerate() {
                if record.delivered.get(&publisher).is_none_or(|delivered| delivered <= number) {
                    return Err(format!("{name} has received nothing of publisher {publisher}"));
                }
            }
        }
        for (node, list) in self.lists().await.into_iter().enumerate() {
            if list != sessions {
                return Err(format!("node {node} lists {list:?}, not {sessions:?}"));
            }
        }
        Ok(())
    }

    /// Returns the members of the room that each node lists.
    async fn lists(&self) -> Vec<BTreeSet<SessionId>> {
        let mut lists = Vec::new();
        for publisher in &self.publishers {
            let members = publisher.client.members(self.room, None, 1_000).await;
            let members = members.map(|page| page.items).unwrap_or_default();
            lists.push(members.into_iter().map(|member| member.session).collect());
        }
        lists
    }

    /// Checks that the hub recovers from the fault that is over, and has had no other effects.
    pub(crate) async fn recovers(self, effects: Effects) {
        let read = if self.kind == BrokerKind::Nats { READ_WITHIN } else { Duration::ZERO };
        let healed = self.heals(HEALED_WITHIN + read + effects.slower_by).await;
        let healed = healed.unwrap_or_else(|error| self.fail(&[format!("not healed: {error}")]));
        self.pause_publishers().await;
        let (log, top) = self.history(0).await;
        let up_to_date = |world: &Self| {
            world.observers.iter().all(|observer| observer.record().cursor == Some(top))
        };
        let deadline = Instant::now() + HEALED_WITHIN + read;
        while !up_to_date(&self) && Instant::now() < deadline {
            sleep(Duration::from_millis(20)).await;
        }
        // The time of changes to be told, and of repetitions to arrive.
        sleep(Duration::from_millis(500)).await;

        let mut violations = Vec::new();
        for node in 1..NODES {
            if self.history(node).await != (log.clone(), top) {
                violations.push(format!("node {node} reads another history than node 0"));
            }
        }
        let leaves = self.presence(effects, self.lists().await).check();
        let leaves = leaves.unwrap_or_else(|found| {
            violations.extend(found);
            0
        });
        let recording = self.recording(effects, log, top).await;
        let figures = recording.check().unwrap_or_else(|found| {
            violations.extend(found);
            Figures::default()
        });
        for observer in &self.observers {
            let record = observer.record();
            let texts = record.violations.iter();
            violations.extend(texts.map(|text| format!("{}: {text}", observer.name)));
        }
        let memory = self.nodes.iter().map(Node::peak_memory).max().unwrap_or(0);
        if memory > MAX_MEBIBYTES {
            violations.push(format!("a node used {memory} MiB"));
        }
        if !violations.is_empty() {
            self.fail(&violations);
        }
        let Figures { delivered, gaps, dropped, lost } = figures;
        println!(
            "{}: healed in {:.1} s; {} publications, {delivered} deliveries, {gaps} gaps, \
             {dropped} dropped, {lost} lost, {leaves} leaves, {memory} MiB",
            self.name,
            healed.as_secs_f64(),
            recording.log.len(),
        );
    }

    fn presence(&self, effects: Effects, lists: Vec<BTreeSet<SessionId>>) -> Presence {
        let mut presence = Presence { lives: Vec::new(), told: Vec::new(), lists };
        for observer in &self.observers {
            let record = observer.record();
            presence.told.push((observer.name.clone(), record.presence.clone()));
            let may_expire = effects.expired.contains(&observer.node);
            let lives = record.lives.iter().cloned();
            presence.lives.extend(lives.map(|mut life| {
                life.may_expire = may_expire;
                life
            }));
        }
        presence
    }

    /// Returns the case for the checker. Clients return from positions of the log, and from some
    /// that the store has lost.
    async fn recording(&self, effects: Effects, log: Vec<Stored>, top: Position) -> Recording {
        let observations = |observer: &Observer| Observations {
            observer: observer.name.clone(),
            all: observer.record().observations.clone(),
        };
        let mut recording = Recording {
            observers: self.observers.iter().map(observations).collect(),
            acknowledged: self.acknowledged(),
            log,
            top,
            returned: Vec::new(),
            loses: effects.loses,
            drops: effects.drops,
        };
        let log = recording.log.iter();
        let lost = recording.acknowledged.iter().filter(|stored| !recording.is_in_log(stored));
        let lost: Vec<_> = lost.map(|stored| stored.position).collect();
        let positions: Vec<_> = log.map(|stored| stored.position).collect();
        let ends = |positions: &[Position]| {
            let chosen = [0, positions.len() / 2, positions.len().saturating_sub(1)];
            chosen.map(|index| positions.get(index).copied())
        };
        let chosen = [ends(&positions), ends(&lost)].concat();
        for (number, position) in chosen.into_iter().flatten().enumerate() {
            let node = self.nodes[number % NODES].address;
            let all = recover(node, self.room, position, top).await;
            if let Some(Observation::Joined { recovery, .. }) = all.first() {
                recording.returned.push((position, *recovery));
            }
            let observer = format!("a client that returned from {position}");
            recording.observers.push(Observations { observer, all });
        }
        recording
    }

    fn fail(&self, violations: &[String]) -> ! {
        panic!(
            "{}: FAILED; logs are in {}\n  {}",
            self.name,
            self.folder.display(),
            violations.join("\n  ")
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl Node {
    fn start(host: Host, bus: &str, rules: &Path, log: PathBuf) -> Self {
        let address = SocketAddr::from((host.address, PORT));
        let arguments: Vec<_> =
            ["serve", "--listen", &address.to_string(), "--no-auth", "--bus", bus]
                .into_iter()
                .chain(["--hub-config", rules.to_str().unwrap()])
                .map(str::to_owned)
                .collect();
        let process = spawn(&host, &arguments, &log);
        Self { process, address, arguments, log, host }
    }

    /// Sends a signal, named without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.process, name);
    }

    /// Kills the node without warning.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts the killed node again.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(&self.host, &self.arguments, &self.log);
    }

    /// Returns the maximum memory of the node, in MiB.
    fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<u64>().ok());
        kibibytes.unwrap_or(0) / 1_024
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a node, and waits until it listens.
fn spawn(host: &Host, arguments: &[String], log: &Path) -> Child {
    let stderr = File::options().create(true).append(true).open(log).unwrap();
    let mut command = host.command(env!("CARGO_BIN_EXE_sockeye"));
    command.args(arguments).env_remove("RUST_LOG").env_remove("SOCKEYE_BUS");
    let mut process = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("://"), "the node does not start: see {}", log.display());
    process
}

/// Sends a signal, named without `SIG`.
pub(crate) fn signal(process: &Child, name: &str) {
    let id = process.id().to_string();
    let status = Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap();
    assert!(status.success());
}
