//! A latency test sends every message of its schedule, measures from when each was due, and counts
//! those that are not answered, lost, doubled or late.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use sockeye::push::{Connection, Handler, Server};
use sockeye::{Message, MessageRef};
use sockeye_load::{LatencyReport, LatencyTest, Load, LoadError, PayloadKind};

const SECOND: Duration = Duration::from_secs(1);

fn serve<H, F>(handler: F) -> SocketAddr
where
    H: Handler,
    F: Fn() -> H + Send + Sync + 'static,
{
    let listening = Server::new(handler).workers(1).listen("127.0.0.1:0").unwrap();
    let address = listening.local_addr().unwrap();
    thread::spawn(|| listening.run());
    address
}

fn test(address: SocketAddr) -> LatencyTest {
    LatencyTest::new(load(address)).timeout(20 * SECOND)
}

fn load(address: SocketAddr) -> Load {
    Load::new(address)
        .connections(5)
        .length(64)
        .warm_up(Duration::from_millis(50))
        .duration(Duration::from_millis(300))
}

fn run(test: &LatencyTest) -> Result<LatencyReport, LoadError> {
    test.run(SECOND, |_| {})
}

struct Echo;

impl Handler for Echo {
    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        connection.send(message);
    }
}

#[test]
fn every_message_of_the_schedule_is_sent_and_answered() {
    let address = serve(|| Echo);
    for threads in [1, 2, 9] {
        let report = run(&test(address).rate(1000).threads(threads)).unwrap();
        let counts = &report.counts;
        assert_eq!((counts.due, counts.answered, counts.timed_out), (300, 300, 0));
        assert_eq!((counts.response.messages(), counts.service.messages()), (300, 300));
        assert_eq!(counts.lag.messages(), 300);
        assert_eq!((report.handshake.messages(), report.threads), (5, threads.min(5)));
    }
}

/// Starts a proxy of one connection to `server`, whose answers it passes on after `delay`.
fn delayed(server: SocketAddr, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = TcpStream::connect(server).unwrap();
        let (answers, delayed) = mpsc::channel::<(Instant, Vec<u8>)>();
        let (mut to_client, mut from_server) =
            (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || {
            for (due, answer) in delayed {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if to_client.write_all(&answer).is_err() {
                    return;
                }
            }
        });
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(size @ 1..) = from_server.read(&mut buffer) {
                if answers.send((Instant::now() + delay, buffer[..size].to_vec())).is_err() {
                    return;
                }
            }
        });
        let _ = std::io::copy(&mut &client, &mut &server);
    });
    address
}

#[test]
fn a_server_that_answers_after_a_constant_time_achieves_the_rate() {
    let address = serve(|| Echo);
    let delay = Duration::from_millis(400);
    for warm_up in [Duration::ZERO, SECOND] {
        let load = load(delayed(address, delay)).connections(1).warm_up(warm_up).duration(SECOND);
        let report = run(&LatencyTest::new(load).timeout(20 * SECOND).rate(200)).unwrap();
        assert!(report.counts.response.min() >= delay.mul_f64(0.999), "{report:?}");
        let share = report.achieved() / report.offered.unwrap();
        // Answers that a busy machine delays further are missing at the end.
        assert!((0.75..1.05).contains(&share), "{share} after {warm_up:?}");
    }
}

#[test]
fn messages_of_every_length_and_kind_are_answered_in_both_loops() {
    let address = serve(|| Echo);
    for (length, kind) in
        [(0, PayloadKind::Binary), (31, PayloadKind::Ascii), (300_000, PayloadKind::Utf8)]
    {
        let load = load(address).length(length).payload(kind);
        let test = LatencyTest::new(load).timeout(20 * SECOND);
        for test in [test.clone().rate(100), test.clone().rate(100).in_flight(1), test] {
            let counts = run(&test).unwrap().counts;
            assert!(counts.due > 0 && counts.due == counts.answered, "{length}: {counts:?}");
        }
    }
}

/// Answers nothing but every second message.
#[derive(Default)]
struct EverySecond(bool);

impl Handler for EverySecond {
    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        self.0 = !self.0;
        if self.0 {
            connection.send(message);
        }
    }
}

#[test]
fn a_message_without_an_answer_counts_with_the_time_that_was_waited() {
    let address = serve(EverySecond::default);
    // With one message in flight, only the first is answered.
    let timeout = Duration::from_millis(200);
    let load = load(address).connections(1).warm_up(Duration::ZERO);
    let counts = run(&LatencyTest::new(load).rate(100).in_flight(1).timeout(timeout)).unwrap();
    let counts = counts.counts;
    assert_eq!((counts.due, counts.answered, counts.timed_out), (30, 1, 29));
    assert_eq!(counts.response.messages(), 30);
    assert!(counts.response.quantile(0.9) >= timeout);
}

#[test]
fn an_echo_of_another_message_ends_the_test() {
    let address = serve(EverySecond::default);
    let test = LatencyTest::new(load(address).connections(1)).rate(1000);
    let LoadError::Connection { error, .. } = run(&test).unwrap_err() else { panic!() };
    assert!(matches!(*error, LoadError::WrongByte { message: 1, .. }), "{error:?}");
}

/// Delivers to all. Of ten messages of the publisher, the third is swallowed, the fifth is
/// delivered twice and the seventh after the eighth.
#[derive(Default)]
struct Unreliable {
    messages: u64,
    held: Option<Message>,
}

impl Handler for Unreliable {
    fn message(&mut self, connection: &mut Connection, message: MessageRef<'_>) {
        let number = self.messages % 10;
        self.messages += 1;
        let message = Message::from(message);
        match number {
            2 => return,
            4 => connection.broadcast(message.clone()).unwrap(),
            6 => {
                self.held = Some(message);
                return;
            }
            _ => {}
        }
        connection.broadcast(message.clone()).unwrap();
        if let Some(held) = self.held.take() {
            connection.broadcast(held).unwrap();
        }
    }
}

#[test]
fn a_fan_out_counts_lost_doubled_and_reordered_deliveries() {
    let address = serve(Unreliable::default);
    let load = load(address).warm_up(Duration::ZERO);
    let test = LatencyTest::new(load).fan_out().threads(2).rate(200).timeout(SECOND);
    let report = run(&test).unwrap();
    let counts = report.counts;
    // 60 messages to 5 subscribers.
    assert_eq!(report.expected_deliveries, Some(300));
    assert_eq!((counts.due, counts.answered), (60, 270));
    assert_eq!((counts.lost, counts.doubled, counts.reordered), (30, 30, 30));
}

#[test]
fn a_fan_out_needs_a_rate_and_a_length() {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    assert!(matches!(run(&test(address).fan_out()), Err(LoadError::NoRate)));
    let short = LatencyTest::new(load(address).length(31)).fan_out().rate(1);
    assert!(matches!(run(&short), Err(LoadError::TooShortForFanOut { length: 31 })));
}

#[test]
fn a_test_that_is_stopped_has_the_result_of_the_time_so_far() {
    let address = serve(|| Echo);
    for rate in [None, Some(1000)] {
        let stop = Arc::new(AtomicBool::new(false));
        let load = load(address).duration(600 * SECOND);
        let mut test = LatencyTest::new(load).stop_when(Arc::clone(&stop)).threads(2);
        if let Some(rate) = rate {
            test = test.rate(rate);
        }
        let report = test.run(SECOND / 10, |progress| {
            stop.store(progress.total.answered >= 100, Ordering::Relaxed);
        });
        let report = report.unwrap();
        assert!(report.duration < 60 * SECOND, "{:?}", report.duration);
        assert!(report.counts.answered >= 100 && report.counts.timed_out == 0);
        assert_eq!(report.counts.due, report.counts.answered);
    }
    let stop = Arc::new(AtomicBool::new(true));
    let error = run(&test(address).stop_when(stop)).unwrap_err();
    assert!(matches!(error, LoadError::Stopped), "{error:?}");
}
