//! An authority for ACME: Debian's pebble, with a name server that leads every name to 127.0.0.1.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::browser;

/// An authority that is not started yet: its address and its files are known.
#[derive(Debug)]
pub(crate) struct Authority {
    folder: PathBuf,
    /// Of the directory, of pebble's management, of the name server and of its management.
    ports: [u16; 4],
}

/// A running authority.
#[derive(Debug)]
pub(crate) struct RunningAuthority {
    processes: [Child; 2],
}

impl Authority {
    /// Prepares an authority with files in `folder`; returns `None` if pebble is not installed.
    pub(crate) fn prepare(folder: &Path) -> Option<Self> {
        if Command::new("pebble").arg("-h").stderr(Stdio::null()).status().is_err() {
            browser::missing("pebble", "ci/peers.sh installs it");
            return None;
        }
        // Each port is free now; another program may take one before it is used.
        let listeners = [0; 4].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
        let ports = listeners.each_ref().map(|it| it.local_addr().unwrap().port());
        let authority = Self { folder: folder.to_owned(), ports };
        crate::program::write_certificate(&authority.certificate(), &authority.key());
        Some(authority)
    }

    /// Returns the file with the certificate of the directory.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.join("authority.key")
    }

    /// Returns the URL of the directory.
    pub(crate) fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.ports[0])
    }

    /// Starts the authority, which expects the TLS of all names at this port.
    pub(crate) fn start(&self, tls_port: u16) -> RunningAuthority {
        let at = |port: u16| format!("127.0.0.1:{port}");
        let [directory, management, names, names_management] = self.ports.map(at);
        let config = serde_json::json!({"pebble": {
            "listenAddress": directory,
            "managementListenAddress": management,
            "certificate": self.certificate(),
            "privateKey": self.key(),
            "httpPort": tls_port,
            "tlsPort": tls_port,
        }});
        let file = self.folder.join("pebble.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let start = |command: &mut Command| {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        };
        let mut server = Command::new("pebble-challtestsrv");
        server.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", ""]);
        server.args(["-https01", "", "-tlsalpn01", "", "-dns01", &names]);
        server.args(["-management", &names_management]);
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(&file).args(["-dnsserver", &names]);
        // No pauses before checks, and no nonces that are refused at random.
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        let mut authority =
            RunningAuthority { processes: [start(&mut server), start(&mut pebble)] };
        for address in [&names, &directory] {
            while TcpStream::connect(address).is_err() {
                for process in &mut authority.processes {
                    assert!(process.try_wait().unwrap().is_none(), "a port was taken meanwhile");
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        authority
    }
}

impl Drop for RunningAuthority {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
