//! Seeded simulations: random programs, delays and losses. Every run ends with the same bytes.

use proptest::prelude::*;

use super::*;

/// Runs a session of random steps, cuts included, then lets it end.
fn simulate(seed: u64) {
    let mut random = Random(seed.wrapping_mul(2).wrapping_add(1));
    let mut limits = || {
        let buffer = 1 + u32::try_from(random.below(200)).unwrap();
        Limits::new().buffer(buffer).window(1 + u32::try_from(random.below(200)).unwrap())
    };
    let (client, server) = (limits(), limits());
    let mut pair = Pair::new(client, server);
    let lengths = [random.below(2000), random.below(2000)];
    let streams = lengths.map(|length| pattern(usize::try_from(length).unwrap(), seed ^ length));
    let mut written = [0, 0];
    let cut_weight = 1 + random.below(6);
    for _ in 0..400 {
        match random.below(40) {
            0..10 => write(&mut pair, &streams, &mut written, random.below(300)),
            10..20 => drop(pair.transmit()),
            20..26 => drop(pair.deliver_to_server().unwrap()),
            26..32 => drop(pair.deliver_to_client().unwrap()),
            32..34 => pair.now += Duration::from_millis(random.below(60)),
            34..38 => pair.read(usize::try_from(random.below(100)).unwrap()),
            _ if random.below(6) < cut_weight => cut(&mut pair, &mut written, &mut random),
            _ => {}
        }
        check_bounds(&pair, client, server);
    }
    while !pair.is_complete() {
        write(&mut pair, &streams, &mut written, u64::MAX);
        pair.settle().unwrap();
    }
    let [up, down] = streams;
    assert!(pair.read == [down, up], "seed {seed}");
}

/// Writes up to `length` bytes of each stream, and ends the streams that are written.
fn write(pair: &mut Pair, streams: &[Vec<u8>; 2], written: &mut [usize; 2], length: u64) {
    let ends = [Some(&mut pair.client), pair.server.as_mut()];
    for ((session, stream), written) in ends.into_iter().zip(streams).zip(written) {
        let Some(session) = session else { continue };
        let rest = &stream[*written..];
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
        *written += session.write(&rest[..length]);
        if *written == stream.len() {
            session.finish();
        }
    }
}

/// Cuts the WebSocket after some of what is on the wire was still delivered.
fn cut(pair: &mut Pair, written: &mut [usize; 2], random: &mut Random) {
    for _ in 0..random.below(4) {
        pair.deliver_to_server().unwrap();
        pair.deliver_to_client().unwrap();
    }
    pair.cut();
    if pair.server.is_none() {
        written[1] = 0;
    }
}

fn check_bounds(pair: &Pair, client: Limits, server: Limits) {
    // A buffer has at most twice the capacity that it needs, or a kibibyte.
    let most = |limits: Limits| 2 * (limits.buffer + limits.window) as usize + 2 * 1024;
    assert!(pair.client.memory() <= most(client));
    assert!(pair.server.as_ref().map_or(0, Session::memory) <= most(server));
}

#[test]
fn thousands_of_sessions_arrive_whole() {
    for seed in 0..3000 {
        simulate(seed);
    }
}

proptest! {
    #[test]
    fn any_session_arrives_whole(seed: u64) {
        simulate(seed);
    }
}
