//! Drives sockeye-proto without a host, both ends of one connection: see wasm.sh.

use sockeye_proto::deflate::Deflate;
use sockeye_proto::handshake::Key;
use sockeye_proto::{Config, Connection, Event, Input, MessageRef};

const TEXT: &str = "A sockeye swims both ways, both ways, both ways.";

/// Returns 0 on success, otherwise the number of the step that failed.
#[no_mangle]
pub extern "C" fn probe() -> u32 {
    match handshake().and_then(|()| echo(false)).and_then(|()| echo(true)) {
        Ok(()) => 0,
        Err(step) => step,
    }
}

/// Checks the example of RFC 6455 section 1.3.
fn handshake() -> Result<(), u32> {
    let accept = Key::new(*b"the sample nonce").accept();
    (accept.as_str() == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").then_some(()).ok_or(1)
}

/// Sends a masked message to the server and back.
fn echo(compressed: bool) -> Result<(), u32> {
    let (config, deflate) = (Config::new(), Deflate::new().threshold(0));
    let mut client = Connection::client(&config, || [0x37, 0xfa, 0x21, 0x3d]);
    let mut server = Connection::server(&config);
    if compressed {
        let (parameters, answer) = deflate.accept(&[deflate.offer()]).ok_or(2_u32)?;
        client = client.with_deflate(&deflate, deflate.confirm(&answer).map_err(|_| 3_u32)?);
        server = server.with_deflate(&deflate, parameters);
    }

    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    client.send(MessageRef::Text(TEXT), &mut to_server).map_err(|_| 4_u32)?;
    match server.receive(&mut Input::new(&mut to_server), &mut to_client) {
        Ok(Some(Event::Message(message))) => {
            server.send(message.as_ref(), &mut to_client).map_err(|_| 5_u32)?;
        }
        _ => return Err(6),
    }
    if compressed != (to_client.len() < TEXT.len()) {
        return Err(7);
    }
    match client.receive(&mut Input::new(&mut to_client), &mut Vec::new()) {
        Ok(Some(Event::Message(message))) if message.as_ref().as_bytes() == TEXT.as_bytes() => {
            Ok(())
        }
        _ => Err(8),
    }
}
