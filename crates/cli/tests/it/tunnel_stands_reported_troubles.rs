//! Situations that users of other tunnels have reported: too many open files, targets that close
//! while much is on the way, IPv6 addresses as names, connections before the tunnel is there.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::Duration;

use crate::program::Server;
use crate::program::tunnel::{
    Client, dial, echo, exchange, open, serve, serve_command, socks, target,
};

/// The limit of open files of a process that has too few.
const FILES: &str = "48";

/// Returns the command under a limit of open files.
fn with_few_files(command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -n {FILES} && exec \"$0\" \"$@\"")]);
    limited.arg(command.get_program()).args(command.get_args());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    for (name, _) in command.get_envs().filter(|(_, value)| value.is_none()) {
        limited.env_remove(name);
    }
    limited
}

/// Opens more connections than a process with few files can have.
fn exhaust(address: &str) -> Vec<TcpStream> {
    (0..64).map(|_| dial(address)).collect()
}

#[test]
fn a_client_without_open_files_says_so_and_goes_on() {
    let target = echo();
    let server = serve(&["--allow", &target.to_string()]);
    let command = open(&[&server.url, "-L", &format!("0:{target}")]);
    let mut client = Client::start_command(with_few_files(&command), 1);
    let address = client.addresses[0].clone();
    let connections = exhaust(&address);
    client.wait_for("cannot accept");
    // Ten attempts fail meanwhile, and more with each connection that ends.
    thread::sleep(Duration::from_secs(1));
    drop(connections);
    assert_eq!(exchange(dial(&address), "hello"), "hello");
    client.signal("TERM");
    let mut rest = String::new();
    client.log.read_to_string(&mut rest).unwrap();
    assert!(rest.matches("cannot accept").count() < 5, "one line in ten seconds: {rest}");
}

#[test]
fn a_server_without_open_files_refuses_and_goes_on() {
    let target = echo();
    let command = serve_command(&["--allow", &target.to_string(), "--allow-bind", "127.0.0.1:*"]);
    let server = Server::start_command(with_few_files(&command));
    let forwards = ["-L", &format!("0:{target}"), "-R", &format!("127.0.0.1:0:{target}")];
    let mut client = Client::start(&server.url, 2, &forwards);
    let connections = exhaust(&client.addresses[0]);
    client.wait_for("Too many open files");
    // The connection waits for the server to have files again.
    let mut waiting = client.dial(1);
    waiting.write_all(b"hello").unwrap();
    drop(connections);
    assert_eq!(exchange(waiting, ""), "hello");
    assert_eq!(exchange(client.dial(0), "hello"), "hello");
}

#[test]
fn a_target_that_closes_at_once_loses_nothing_for_a_slow_client() {
    const LENGTH: usize = 32 << 20;
    let (closed, when_closed) = mpsc::channel();
    let target = target(move |mut stream| {
        // The end follows the last byte, which is far from the client.
        stream.write_all(&vec![7; LENGTH]).unwrap();
        drop(stream);
        let _ = closed.send(());
    });
    let server = serve(&["--allow", &target.to_string()]);
    let client = Client::start(&server.url, 1, &["-L", &format!("0:{target}")]);
    let mut stream = client.dial(0);
    let (mut received, mut buffer) = (0, vec![0; 64 << 10]);
    while when_closed.try_recv().is_err() {
        received += stream.read(&mut buffer).unwrap();
        // Slower than the target.
        thread::sleep(Duration::from_millis(1));
    }
    let rest = std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    assert_eq!(received as u64 + rest, LENGTH as u64);
}

#[test]
fn a_proxy_takes_ipv6_addresses_as_names() {
    let Ok(target) = TcpListener::bind("[::1]:0") else {
        eprintln!("skipped: this system has no IPv6");
        return;
    };
    let port = target.local_addr().unwrap().port();
    let server = serve(&["--allow", &format!("[::1]:{port}")]);
    let client = Client::start(&server.url, 1, &["-D", "0"]);
    for host in ["::1", "[::1]", "0:0:0:0:0:0:0:1"] {
        let (code, _stream) = socks(&client.addresses[0], host, port);
        assert_eq!(code, 0, "{host}");
        target.accept().unwrap();
    }
}

#[test]
fn a_proxy_ends_connections_of_other_protocols_at_once() {
    let server = serve(&[]);
    let client = Client::start(&server.url, 1, &["-D", "0"]);
    // SOCKS4, TLS and nothing known, whose clients wait for an answer.
    for begin in [&b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00"[..], b"\x16\x03\x01\x02\x00", b"\0"] {
        let mut stream = client.dial(0);
        stream.set_read_timeout(Some(Duration::from_secs(9))).unwrap();
        stream.write_all(begin).unwrap();
        match stream.read(&mut [0]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn connections_that_come_while_the_tunnel_begins_are_served() {
    let target = echo();
    let server = serve(&["--allow", &target.to_string()]);
    let path = std::env::temp_dir().join(format!("sockeye-begins-{}.sock", std::process::id()));
    let (stop, stopped) = mpsc::channel::<()>();
    let connect = path.clone();
    let impatient = thread::spawn(move || {
        let mut answers = 0;
        // Until the client listens, and for a time after that.
        while matches!(stopped.try_recv(), Err(TryRecvError::Empty)) {
            if let Ok(mut stream) = UnixStream::connect(&connect) {
                stream.write_all(b"hello").unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert_eq!(answer, "hello");
                answers += 1;
            }
        }
        answers
    });
    let forwards = ["-L", &format!("{}:{target}", path.display()), "-L", &format!("0:{target}")];
    let client = Client::start(&server.url, 2, &forwards);
    for _ in 0..50 {
        assert_eq!(exchange(client.dial(1), "hello"), "hello");
    }
    drop(stop);
    assert!(impatient.join().unwrap() > 0);
    client.signal("TERM");
    client.wait();
}

#[test]
fn datagrams_that_a_target_refused_are_followed_by_others() {
    // No other test has a socket at this address.
    let target = UdpSocket::bind("127.77.0.9:0").unwrap();
    let address = target.local_addr().unwrap().to_string();
    let server = serve(&["--allow", &address]);
    let client = Client::start(&server.url, 1, &["--udp", &format!("0:{address}")]);
    let (sender, mut buffer) = (UdpSocket::bind("127.0.0.1:0").unwrap(), [0; 100]);
    sender.connect(&client.addresses[0]).unwrap();
    sender.send(b"first").unwrap();
    target.recv(&mut buffer).unwrap();
    drop(target);
    // The system answers with an error of ICMP.
    for _ in 0..5 {
        sender.send(b"refused").unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    let target = UdpSocket::bind(&address).unwrap();
    target.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let from = loop {
        sender.send(b"again").unwrap();
        match target.recv_from(&mut buffer) {
            // A datagram that was on the way may come first.
            Ok((length, from)) if buffer[..length] == *b"again" => break from,
            _ => {}
        }
    };
    target.send_to(b"answer", from).unwrap();
    sender.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(sender.recv(&mut buffer).unwrap(), 6);
}
