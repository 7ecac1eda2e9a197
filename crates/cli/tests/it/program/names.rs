//! A name service whose answers follow a script.

use std::collections::HashMap;
use std::net::{IpAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

const A: u16 = 1;
const AAAA: u16 = 28;

/// Length of the header of a message (RFC 1035 section 4.1.1).
const HEADER: usize = 12;

/// The number of questions so far about the addresses of one family of a name.
type Questions = HashMap<(String, bool), usize>;

/// A running name service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Arc<Mutex<Questions>>);

impl Names {
    /// Starts the service at 127.0.0.1:53. The script returns the addresses of a name, by the number
    /// of questions before. Those of the family that was asked for are in the answer.
    pub(crate) fn start(script: impl Fn(&str, usize) -> Vec<IpAddr> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:53").expect("the namespace has the port");
        let names = Self::default();
        let questions = names.clone();
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let (name, kind, end) = question(&buffer[..length]);
                let is_ipv4 = kind == A;
                let number = questions.count(&name, is_ipv4);
                let mut addresses = script(&name, number);
                addresses.retain(|address| match kind {
                    A => address.is_ipv4(),
                    AAAA => address.is_ipv6(),
                    _ => false,
                });
                socket.send_to(&answer(&buffer[..end], kind, &addresses), from).unwrap();
            }
        });
        names
    }

    /// Returns how often the IPv4 addresses of a name were asked for.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.0.lock().unwrap().get(&(name.to_owned(), true)).copied().unwrap_or_default()
    }

    /// Counts a question, and returns the number of those before.
    fn count(&self, name: &str, is_ipv4: bool) -> usize {
        let mut questions = self.0.lock().unwrap();
        let count = questions.entry((name.to_owned(), is_ipv4)).or_default();
        *count += 1;
        *count - 1
    }
}

/// Returns the name and type of a question, and its end.
fn question(message: &[u8]) -> (String, u16, usize) {
    let (mut labels, mut at) = (Vec::new(), HEADER);
    while message[at] > 0 {
        let end = at + 1 + usize::from(message[at]);
        labels.push(String::from_utf8_lossy(&message[at + 1..end]).to_lowercase());
        at = end;
    }
    // The type and class follow the root.
    let kind = u16::from_be_bytes([message[at + 1], message[at + 2]]);
    (labels.join("."), kind, at + 5)
}

/// Returns the answer to a message that ends with its question.
fn answer(message: &[u8], kind: u16, addresses: &[IpAddr]) -> Vec<u8> {
    let mut answer = message.to_vec();
    // A response without an error, with recursion; no further records.
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    let count = u16::try_from(addresses.len()).unwrap();
    answer[6..8].copy_from_slice(&count.to_be_bytes());
    answer[8..HEADER].fill(0);
    for address in addresses {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        // The name of the question, its type and class, and no time to live.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 0]);
        answer.extend(u16::try_from(octets.len()).unwrap().to_be_bytes());
        answer.extend(octets);
    }
    answer
}
