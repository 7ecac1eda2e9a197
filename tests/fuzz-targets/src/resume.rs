//! A frame that decodes encodes to the same bytes. A session accepts any frames at any time without
//! a panic, within its memory, and delivers no byte that did not arrive.

use std::time::Duration;

use sockeye_proto::resume::{Frame, Limits, Session, Token};

const BUFFER: u32 = 200;
const WINDOW: u32 = 100;

/// Checks one input: steps, each with a byte that selects what happens, the length of its argument
/// and the argument.
pub fn check(input: &[u8]) {
    let limits = Limits::new().buffer(BUFFER).window(WINDOW);
    let mut server = Session::server(limits, Token::new([7; 32]), 64);
    let mut now = Duration::ZERO;
    let (mut arrived, mut read) = (0, 0);
    let mut rest = input;
    while let [step, length, tail @ ..] = rest {
        let (argument, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        rest = tail;
        match step % 8 {
            0..=2 => {
                arrived += handle(&mut server, argument, now);
            }
            3 => drop(server.write(argument)),
            4 => read += server.read(&mut vec![0; argument.len()], now),
            5 => now += Duration::from_millis(argument.len() as u64 * 100),
            6 => server.detach(now),
            _ => server.finish(),
        }
        server.handle_timeout(now);
        while let Some(frame) = server.poll_transmit(now) {
            assert_eq!(Frame::decode(&frame).map(|frame| frame.encode()), Ok(frame.clone()));
        }
        assert!(read <= arrived);
        assert!(server.memory() <= 2 * (BUFFER + WINDOW) as usize + 64);
    }
}

/// Passes a message to the session, and returns the length of the data in it.
fn handle(server: &mut Session, message: &[u8], now: Duration) -> usize {
    let frame = Frame::decode(message);
    if let Ok(frame) = &frame {
        assert_eq!(frame.encode(), message);
    }
    match frame {
        Ok(Frame::Attach(attach)) => {
            // An error of the attempt is an answer to it; the invariants hold in any case.
            let _ = server.attach(&attach);
            0
        }
        Ok(Frame::Data { data, .. }) if server.handle(message, now).is_ok() => data.len(),
        Ok(Frame::Data { .. }) => 0,
        _ => {
            // As above.
            let _ = server.handle(message, now);
            0
        }
    }
}
