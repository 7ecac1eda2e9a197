//! `sockeye tunnel serve` connects to the address that it has checked, whatever the name service
//! answers afterwards.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use crate::program::names::Names;
use crate::program::namespace::{self, ADDRESS};
use crate::program::tunnel::{Client, serve, socks};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LOOPBACK_V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// The reply codes of SOCKS5.
const OK: u8 = 0;
const DENIED: u8 = 2;

fn allowed() -> IpAddr {
    ADDRESS.parse().unwrap()
}

/// Returns the addresses of a name, whose owner wants to lead the server to itself.
fn script(name: &str, before: usize) -> Vec<IpAddr> {
    match name {
        // Allowed at first, and then not.
        "rebinds.test" | "forward.test" | "datagrams.test" if before == 0 => vec![allowed()],
        "alternates.test" if before.is_multiple_of(2) => vec![allowed()],
        "rebinds.test" | "forward.test" | "datagrams.test" | "alternates.test" => vec![LOOPBACK],
        // An allowed address beside others, in each order.
        "first.test" => vec![allowed(), LOOPBACK],
        "last.test" => vec![LOOPBACK, allowed()],
        "ipv6.test" => vec![allowed(), LOOPBACK_V6],
        "metadata.test" => vec![allowed(), Ipv4Addr::new(169, 254, 169, 254).into()],
        "mapped.test" => vec![Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()],
        "stays.test" => vec![allowed()],
        _ => Vec::new(),
    }
}

/// Starts a target that sends a greeting, and returns its port.
fn greet() -> u16 {
    let listener = TcpListener::bind((ADDRESS, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"allowed");
        }
    });
    port
}

/// Listens on the loopback addresses of a port that is served elsewhere too.
fn guard(port: u16) -> Vec<TcpListener> {
    let bind = |address: IpAddr| TcpListener::bind((address, port));
    let mut guards = vec![bind(LOOPBACK).unwrap()];
    // The system may have no IPv6.
    guards.extend(bind(LOOPBACK_V6));
    for guard in &guards {
        guard.set_nonblocking(true).unwrap();
    }
    guards
}

fn greeting(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_name_that_leads_elsewhere_later_is_denied_and_never_followed() {
    let test = "tunnel_resolves_names_once::\
                a_name_that_leads_elsewhere_later_is_denied_and_never_followed";
    if !namespace::is_within(test) {
        return;
    }
    let names = Names::start(script);
    let port = greet();
    let guards = guard(port);
    let server = serve(&["--allow", "*.test:*"]);
    let forward = format!("0:forward.test:{port}");
    let client = Client::start(&server.url, 2, &["-L", &forward, "-D", "0"]);
    let ask = |name: &str| socks(&client.addresses[1], name, port);

    // One question for one connection, which goes to the address of the answer.
    let (code, stream) = ask("rebinds.test");
    assert_eq!((code, &*greeting(stream)), (OK, "allowed"));
    assert_eq!(names.asked("rebinds.test"), 1);
    for before in 1..4 {
        assert_eq!(ask("rebinds.test").0, DENIED);
        assert_eq!(names.asked("rebinds.test"), before + 1);
    }
    assert_eq!(greeting(client.dial(0)), "allowed");
    let error = client.dial(0).read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    // Were a name resolved for the check and again for the connection, the answers would differ.
    for _ in 0..20 {
        let (code, stream) = ask("alternates.test");
        match code {
            OK => assert_eq!(greeting(stream), "allowed"),
            code => assert_eq!(code, DENIED),
        }
    }
    assert_eq!(names.asked("alternates.test"), 20);

    // One address that is denied is enough.
    for name in ["first.test", "last.test", "metadata.test", "mapped.test"] {
        assert_eq!(ask(name).0, DENIED, "{name}");
    }
    if guards.len() > 1 {
        assert_eq!(ask("ipv6.test").0, DENIED);
    }
    let (code, stream) = ask("stays.test");
    assert_eq!((code, &*greeting(stream)), (OK, "allowed"));

    // A name that no rule can allow is not asked for.
    for name in ["stays.test.example", "nottest", "test"] {
        assert_eq!(ask(name).0, DENIED, "{name}");
        assert_eq!(names.asked(name), 0, "{name}");
    }
    for guard in guards {
        let error = guard.accept().expect_err("nothing has connected");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn datagrams_go_to_the_address_that_was_checked() {
    let test = "tunnel_resolves_names_once::datagrams_go_to_the_address_that_was_checked";
    if !namespace::is_within(test) {
        return;
    }
    let names = Names::start(script);
    let target = UdpSocket::bind((ADDRESS, 0)).unwrap();
    let port = target.local_addr().unwrap().port();
    let guard = UdpSocket::bind((LOOPBACK, port)).unwrap();
    guard.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((length, from)) = target.recv_from(&mut buffer) {
            target.send_to(&buffer[..length], from).unwrap();
        }
    });
    let mut server = serve(&["--allow", "*.test:*"]);
    let client = Client::start(&server.url, 1, &["--udp", &format!("0:datagrams.test:{port}")]);
    let sender = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        socket.connect(&client.addresses[0]).unwrap();
        socket
    };
    let first = sender();
    let mut buffer = [0; 100];
    for _ in 0..3 {
        first.send(b"hello").unwrap();
        assert_eq!(first.recv(&mut buffer).unwrap(), 5);
    }
    assert_eq!(names.asked("datagrams.test"), 1);
    // The socket of another sender leads elsewhere, which is denied.
    sender().send(b"denied").unwrap();
    server.wait_for("denied");
    first.send(b"hello").unwrap();
    assert_eq!(first.recv(&mut buffer).unwrap(), 5);
    let error = guard.recv(&mut buffer).expect_err("no datagram came");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}
