//! Hosts of a case, each of them a network namespace, and the loss of packets between two of them.
//!
//! ```text
//!  the namespace of the test          the namespaces of the hosts
//!  clients, and a router   10.C.1.1 ───── 10.C.1.2   a broker
//!                          10.C.2.1 ───── 10.C.2.2   a node
//! ```

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

/// The beginning of the names of all interfaces and namespaces.
const PREFIX: &str = "hub";

static NETWORKS: AtomicU8 = AtomicU8::new(1);

/// The network of a case.
#[derive(Debug)]
pub(crate) struct Network {
    number: u8,
    hosts: u8,
}

/// A host, removed when dropped.
#[derive(Debug)]
pub(crate) struct Host {
    name: String,
    pub(crate) address: Ipv4Addr,
}

/// A direction in which the router drops all packets, silently, until the value is dropped.
#[derive(Debug)]
pub(crate) struct Cut {
    from: Ipv4Addr,
    to: Ipv4Addr,
}

impl Network {
    /// Creates a network without hosts.
    ///
    /// # Panics
    /// Outside a network namespace that ci/hub-faults.sh has made: no other network is changed.
    pub(crate) fn new() -> Self {
        let devices = std::fs::read_to_string("/proc/net/dev").unwrap();
        let mut names = devices.lines().filter_map(|line| line.trim().split_once(':'));
        let foreign = names.find(|(name, _)| *name != "lo" && !name.starts_with(PREFIX));
        assert!(foreign.is_none(), "found {foreign:?}, expected no network: run ci/hub-faults.sh");
        Self { number: NETWORKS.fetch_add(1, Ordering::Relaxed), hosts: 0 }
    }

    /// Adds a host, which reaches all others and the test.
    pub(crate) fn add_host(&mut self) -> Host {
        self.hosts += 1;
        let (network, number) = (self.number, self.hosts);
        let name = format!("{PREFIX}{network}h{number}");
        let [gateway, address] = [1, 2].map(|last| Ipv4Addr::new(10, network, number, last));
        ip(&format!("netns add {name}"));
        ip(&format!("link add {name} type veth peer name eth0 netns {name}"));
        ip(&format!("address add {gateway}/24 dev {name}"));
        ip(&format!("link set {name} up"));
        ip(&format!("-n {name} link set lo up"));
        ip(&format!("-n {name} address add {address}/24 dev eth0"));
        ip(&format!("-n {name} link set eth0 up"));
        ip(&format!("-n {name} route add default via {gateway}"));
        Host { name, address }
    }
}

impl Host {
    /// Returns the command of a program on this host, not yet started. The program replaces the
    /// process of the command.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program).stdin(Stdio::null());
        command
    }

    /// Drops all packets to another host. Rules of the router do so, since netem is not in every
    /// kernel, and a sender would notice that its own queue drops.
    pub(crate) fn cut_to(&self, to: &Self) -> Cut {
        let cut = Cut { from: self.address, to: to.address };
        ip(&format!("rule add {}", cut.rule()));
        cut
    }
}

impl Cut {
    fn rule(&self) -> String {
        format!("from {} to {} blackhole", self.from, self.to)
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        ip(&format!("rule del {}", self.rule()));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Removes both ends of the link as well.
        ip(&format!("netns del {}", self.name));
    }
}

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output();
    let output = output.expect("ip can be started: it is in the package iproute2");
    // A second panic while a test panics would end all tests.
    let is_fine = output.status.success() || std::thread::panicking();
    assert!(is_fine, "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}
