//! Echoes every frame, with only the handshake, headers and masks of this library: the program
//! itself implements buffers, rules and writes.
//!
//!     cargo run -p sockeye --example frames_by_hand -- 127.0.0.1:8080

use std::io;

use sockeye::frame::{Header, OpCode};
use sockeye::mask;
use sockeye::upgrade::{HostPolicy, Refusal, Upgraded, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Maximum size of a frame, in bytes, including its header.
const BUFFER: usize = 64 * 1024;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let upgrader =
        Upgrader::new()
            .allow_hosts(HostPolicy::loopback().allow_addresses())
            .on_host(|host| {
                if host.is_empty() { Err(Refusal::forbidden("whose server?")) } else { Ok(()) }
            })
            .on_header(|name, value| {
                if name.eq_ignore_ascii_case("User-Agent") && value.starts_with(b"BadBot") {
                    return Err(Refusal::forbidden("no robots"));
                }
                Ok(())
            });
    loop {
        let (stream, peer) = listener.accept().await?;
        let upgrader = upgrader.clone();
        tokio::spawn(async move {
            if let Err(error) = echo(upgrader, stream).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

async fn echo(upgrader: Upgrader, stream: TcpStream) -> Result<()> {
    let Upgraded { mut stream, unread, .. } = upgrader.accept_raw(stream).await?;
    let mut buffer = vec![0; BUFFER];
    let mut filled = unread.len();
    buffer[..filled].copy_from_slice(&unread);
    let mut answer = Vec::new();
    loop {
        let mut taken = 0;
        while let Some((header, size)) = Header::decode(&buffer[taken..filled])? {
            let key = header.mask.ok_or("a client masks")?;
            let length = usize::try_from(header.length)?;
            let end = taken.saturating_add(size).saturating_add(length);
            if end > filled {
                if size + length > BUFFER {
                    return Err("the frame is too long".into());
                }
                break;
            }
            let payload = &mut buffer[taken + size..end];
            mask::apply(payload, key, 0);
            taken = end;
            // Fragments are echoed as they are. A close frame is answered with its own code.
            let (opcode, payload) = match header.opcode {
                OpCode::Ping => (OpCode::Pong, &*payload),
                OpCode::Pong => continue,
                OpCode::Close => (OpCode::Close, &payload[..payload.len().min(2)]),
                data => (data, &*payload),
            };
            Header::new(opcode, payload.len() as u64).with_fin(header.fin).encode(&mut answer);
            answer.extend_from_slice(payload);
            if opcode == OpCode::Close {
                stream.write_all(&answer).await?;
                return Ok(stream.shutdown().await?);
            }
        }
        stream.write_all(&answer).await?;
        answer.clear();
        buffer.copy_within(taken..filled, 0);
        filled -= taken;
        match stream.read(&mut buffer[filled..]).await? {
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            length => filled += length,
        }
    }
}
