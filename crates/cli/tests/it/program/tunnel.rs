//! Runs both ends of `sockeye tunnel`, targets behind them, and a network that can be cut.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Server, sockeye};

/// Timeout of reads in these tests, which fail by it: a machine under load needs far less.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Starts `sockeye tunnel serve` on a free port of 127.0.0.1 with further arguments, and waits for
/// the address.
pub(crate) fn serve(arguments: &[&str]) -> Server {
    Server::start_command(serve_command(arguments))
}

/// Returns the command of [`serve`], not yet started.
pub(crate) fn serve_command(arguments: &[&str]) -> Command {
    let mut command = sockeye(&["tunnel", "serve", "--listen", "127.0.0.1:0"]);
    command.args(arguments).env_remove("SOCKEYE_TOKEN");
    command
}

/// Returns the command `sockeye tunnel open` with these arguments, not yet started. It uses no proxy
/// and no token of the environment.
pub(crate) fn open(arguments: &[&str]) -> Command {
    let mut command = sockeye(&["tunnel", "open"]);
    command.args(arguments).env_remove("SOCKEYE_TOKEN");
    for variable in ["http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    command
}

/// Returns the exit code and the standard error of `sockeye tunnel open` that ends by itself.
pub(crate) fn failed_open(arguments: &[&str]) -> (i32, String) {
    let output = open(arguments).output().expect("sockeye can be started");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("an exit code"), text)
}

/// A running `sockeye tunnel open`, killed when dropped.
#[derive(Debug)]
pub(crate) struct Client {
    child: Child,
    pub(crate) out: BufReader<ChildStdout>,
    pub(crate) log: BufReader<ChildStderr>,
    /// The addresses that it listens on, in the order of the printed lines.
    pub(crate) addresses: Vec<String>,
}

impl Client {
    /// Starts the client of a server, and waits until it has printed this number of addresses.
    pub(crate) fn start(url: &str, addresses: usize, arguments: &[&str]) -> Self {
        Self::start_command(open(&[&[url], arguments].concat()), addresses)
    }

    /// Starts a client by its whole command, and waits until it has printed this number of
    /// addresses.
    pub(crate) fn start_command(mut command: Command, addresses: usize) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sockeye can be started");
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut found = Vec::new();
        for _ in 0..addresses {
            let mut line = String::new();
            if out.read_line(&mut line).unwrap() == 0 {
                log.read_to_string(&mut line).unwrap();
                panic!("the client has ended: {line}");
            }
            // Forwarding [UDP] ADDRESS to …, Forwarding ADDRESS of the server to …,
            // Serving a … proxy on ADDRESS
            let words: Vec<_> = line.split_whitespace().collect();
            let (["Forwarding", "UDP", address, ..] | ["Forwarding", address, ..] | [.., address]) =
                words[..]
            else {
                panic!("an empty line");
            };
            found.push(address.to_owned());
        }
        Self { child, out, log, addresses: found }
    }

    /// Connects to one of the addresses.
    pub(crate) fn dial(&self, index: usize) -> TcpStream {
        dial(&self.addresses[index])
    }

    /// Waits for a line of the log that contains `phrase`.
    pub(crate) fn wait_for(&mut self, phrase: &str) {
        let mut line = String::new();
        while !line.contains(phrase) {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "the log has no {phrase:?}");
        }
    }

    /// Sends a signal, named without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits for the end of the process, and returns its exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens a connection whose reads have a timeout.
pub(crate) fn dial(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// Asks a proxy for a name and port by SOCKS5, and returns the reply code and the connection.
pub(crate) fn socks(proxy: &str, host: &str, port: u16) -> (u8, TcpStream) {
    let mut stream = dial(proxy);
    let mut request = vec![5, 1, 0, 5, 1, 0, 3, u8::try_from(host.len()).unwrap()];
    request.extend(host.as_bytes());
    request.extend(port.to_be_bytes());
    stream.write_all(&request).unwrap();
    // The method, and a reply with an IPv4 address and a port.
    let mut reply = [0; 12];
    stream.read_exact(&mut reply).unwrap();
    (reply[3], stream)
}

/// Starts a server that runs the script with each connection, and returns its address.
pub(crate) fn target(script: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = Arc::new(script);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, script) = (stream.unwrap(), Arc::clone(&script));
            stream.set_read_timeout(Some(TIMEOUT)).unwrap();
            thread::spawn(move || script(stream));
        }
    });
    address
}

/// Starts a server that returns all bytes, and ends its direction after the client's.
pub(crate) fn echo() -> SocketAddr {
    target(|mut stream| {
        let mut reader = stream.try_clone().unwrap();
        let _ = std::io::copy(&mut reader, &mut stream);
        let _ = stream.shutdown(Shutdown::Write);
    })
}

/// Starts an HTTP server that answers each request with `hello`.
pub(crate) fn web() -> SocketAddr {
    target(|mut stream| {
        super::connect::read_head(&mut stream);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nhello\n";
        stream.write_all(answer).unwrap();
    })
}

/// Sends text, ends the direction, and returns everything that comes back.
pub(crate) fn exchange(mut stream: TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A proxy between the ends of a tunnel, whose connections can be cut.
pub(crate) struct Network {
    pub(crate) address: SocketAddr,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Network {
    /// Starts a network in front of a server.
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let (server, held) = (server.to_owned(), Arc::clone(&connections));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let clone = |stream: &TcpStream| stream.try_clone().unwrap();
                held.lock().unwrap().extend([clone(&client), clone(&server)]);
                for (mut from, mut to) in [(clone(&client), clone(&server)), (server, client)] {
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { address, connections }
    }

    /// Cuts all connections, with what is on the way.
    pub(crate) fn cut(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Returns the number of open connections, each counted at both ends.
    pub(crate) fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }
}
