use std::fs;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};

/// Returns the resident memory of a process, in KiB.
pub(super) fn resident_kib(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse_resident(&status).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Returns the number of open files of a process.
pub(super) fn files(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Returns whether the system has a connection of `server` with `client`. A client can have a
/// connection unknown to the server's side: if the accept queue is full when the last segment of
/// TCP's handshake arrives, the system drops that segment, and the client does not notice until it
/// sends something.
pub(super) fn has_connection(server: SocketAddr, client: SocketAddr) -> io::Result<bool> {
    let (SocketAddr::V4(server), SocketAddr::V4(client)) = (server, client) else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    Ok(has_row(&fs::read_to_string("/proc/net/tcp")?, server, client))
}

/// Returns whether a socket table lists the connection of `local` with `remote`; a connection in
/// `SYN_RECEIVED` does not count.
fn has_row(table: &str, local: SocketAddrV4, remote: SocketAddrV4) -> bool {
    const SYN_RECEIVED: &str = "03";
    // The table shows the bytes of an address as an integer in native byte order.
    let word = |address: SocketAddrV4| {
        format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
    };
    let (local, remote) = (word(local), word(remote));
    table.lines().any(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().skip(1).take(3).collect();
        matches!(columns[..], [row_local, row_remote, state] if row_local == local && row_remote == remote && state != SYN_RECEIVED)
    })
}

fn parse_resident(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_kibibytes_and_not_from_its_neighbours() {
        assert_eq!(
            parse_resident("VmHWM:\t    9000 kB\nVmRSS:\t    1836 kB\nRssAnon:\t 12 kB\n"),
            Some(1836)
        );
        assert_eq!(parse_resident("VmHWM:\t 5 kB\n"), None);
        assert_eq!(parse_resident("VmRSS:\t many\n"), None);
    }

    #[test]
    fn a_connection_is_known_from_either_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        let client_address = client.local_addr().unwrap();
        assert!(has_connection(address, client_address).unwrap());
        assert!(has_connection(client_address, address).unwrap());
        // The second address is that of the listener, which opens no connection.
        assert!(!has_connection(address, address).unwrap());
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_connection_in_syn_received_does_not_count() {
        let table = |state| {
            format!(
                "  sl  local_address rem_address   st tx_queue rx_queue\n   \
                 3: 0100007F:1F90 0100007F:C001 {state} 00000000:00000000\n"
            )
        };
        let (server, client) =
            ("127.0.0.1:8080".parse().unwrap(), "127.0.0.1:49153".parse().unwrap());
        assert!(has_row(&table("01"), server, client));
        assert!(!has_row(&table("03"), server, client));
        assert!(!has_row(&table("01"), client, server));
    }
}
