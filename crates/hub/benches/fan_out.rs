//! The time of a delivery: publications of 128 bytes to all members of a room, over TCP on the
//! loopback interface. The sessions' connections are split, or of the handler server with one
//! worker. The clients run on another thread.
//!
//! ```text
//! cargo bench -p sockeye-hub --bench fan_out
//! cargo bench -p sockeye-hub --bench fan_out -- push 1000 16 200000
//! ```
//!
//! The second takes one figure: the kind of the connections, their number, the publications at a
//! time, and the deliveries. Needs two files for each connection: `ulimit -n 12000` suffices.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use sockeye::push::{self, Callbacks};
use sockeye_hub::{Disconnect, Hub, Result, SessionHandle, SessionOptions};
use tokio::runtime::Builder;
use tokio::sync::mpsc;

/// The deliveries that are measured for each figure, at least.
const DELIVERIES: usize = 500_000;

/// Length of a publication, in bytes.
const LENGTH: usize = 128;

/// Name of the thread of the clients.
const CLIENTS: &str = "clients";

/// The kind of the sessions' connections.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Split,
    Push,
}

fn main() {
    println!("processor and wall-clock time of the server for each delivery of {LENGTH} B");
    // Cargo passes `--bench`.
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [kind, numbers @ ..] = &arguments[..] {
        let kind = if kind == "push" { Kind::Push } else { Kind::Split };
        let numbers: Vec<_> = numbers.iter().map(|n| n.parse().expect("a number")).collect();
        let [sessions, burst, deliveries] = numbers[..] else { panic!("KIND and three numbers") };
        return measure(kind, sessions, burst, deliveries);
    }
    for kind in [Kind::Split, Kind::Push] {
        for sessions in [1_000, 5_000] {
            for burst in [1, 16] {
                measure(kind, sessions, burst, DELIVERIES);
            }
        }
    }
}

/// Measures deliveries to a number of sessions, of `burst` publications at a time.
fn measure(kind: Kind, sessions: usize, burst: usize, deliveries: usize) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let hub: Hub = Hub::builder().build();
        let address = match kind {
            Kind::Split => serve_split(&hub).await,
            Kind::Push => serve_push(&hub),
        };
        let (sender, mut received) = mpsc::channel(1024);
        // Ends when the receiver is dropped: all connections together would be too many files.
        let clients = move || receive(address, sessions, burst, &sender);
        let clients = thread::Builder::new().name(CLIENTS.into()).spawn(clients);
        let clients = clients.expect("a thread");
        let room = hub.room("room");
        while room.sessions().expect("the name is valid").len() < sessions {
            assert!(!clients.is_finished(), "all clients connect");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let rounds = deliveries.div_ceil(sessions * burst);
        let mut begun = Spent::now();
        // A fifth more at first, which is not measured.
        for round in 0..rounds + rounds.div_ceil(5) {
            if round == rounds.div_ceil(5) {
                begun = Spent::now();
            }
            for _ in 0..burst {
                room.publish("x".repeat(LENGTH)).await.expect("the bus is local");
            }
            received.recv().await.expect("the clients receive everything");
        }
        let (cpu, wall) = begun.elapsed();
        let deliveries = u32::try_from(rounds * sessions * burst).expect("some more than needed");
        let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(deliveries);
        println!(
            "{kind:?}, {sessions} sessions, {burst} at a time: {:.3} µs, {:.3} µs",
            each(cpu),
            each(wall)
        );
        drop(received);
        clients.join().expect("the clients end without a panic");
    });
}

async fn serve_split(hub: &Hub) -> SocketAddr {
    let server = sockeye::Server::bind("127.0.0.1:0").await.expect("a free port");
    let address = server.local_addr().expect("a bound socket has an address");
    let hub = hub.clone();
    tokio::spawn(server.serve(move |ws| {
        let hub = hub.clone();
        async move {
            let mut session = hub.connect(ws, ());
            session.join("room").await?;
            while session.recv().await?.is_some() {}
            Result::<(), Box<dyn Error + Send + Sync>>::Ok(())
        }
    }));
    address
}

/// Serves with one worker, which ends with the process.
fn serve_push(hub: &Hub) -> SocketAddr {
    let (hub, runtime) = (hub.clone(), tokio::runtime::Handle::current());
    let handlers = Callbacks::new()
        .on_open(move |connection, _| {
            let session = hub.attach(connection.handle(), (), SessionOptions::new());
            connection.set_data(session.clone());
            runtime.spawn(async move { session.join("room").await });
        })
        .on_close(|connection, frame| {
            if let Some(session) = connection.data::<SessionHandle>() {
                session.end(&Disconnect::Client(frame.cloned()));
            }
        });
    let server = push::Server::new(move || handlers.clone()).workers(1);
    let listening = server.listen("127.0.0.1:0").expect("a free port");
    let address = listening.local_addr().expect("a bound socket has an address");
    thread::spawn(move || listening.run());
    address
}

/// Receives as many clients, and reports each time that all have received a burst, until
/// the receiver is dropped.
fn receive(address: SocketAddr, sessions: usize, burst: usize, sender: &mpsc::Sender<()>) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let count = Arc::new(AtomicUsize::new(0));
        for _ in 0..sessions {
            let url = format!("ws://{address}/");
            let mut client = sockeye::connect(&url).await.expect("the server accepts");
            let (count, sender) = (count.clone(), sender.clone());
            tokio::spawn(async move {
                while let Ok(Some(_)) = client.recv().await {
                    let received = count.fetch_add(1, Ordering::Relaxed) + 1;
                    if received % (sessions * burst) == 0 {
                        let _ = sender.send(()).await;
                    }
                }
            });
        }
        sender.closed().await;
    });
}

/// A time of the threads other than the clients'.
struct Spent {
    cpu: Duration,
    at: Instant,
}

impl Spent {
    fn now() -> Self {
        Self { cpu: processor_time().unwrap_or_default(), at: Instant::now() }
    }

    fn elapsed(&self) -> (Duration, Duration) {
        let cpu = processor_time().unwrap_or_default().saturating_sub(self.cpu);
        (cpu, self.at.elapsed())
    }
}

/// Returns the processor time of all threads but those of clients; an error on other systems than
/// Linux.
fn processor_time() -> io::Result<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let path = thread?.path();
        if fs::read_to_string(path.join("comm"))?.trim() != CLIENTS {
            let stat = fs::read_to_string(path.join("schedstat"))?;
            let ran: u64 = stat.split(' ').next().and_then(|ran| ran.parse().ok()).unwrap_or(0);
            nanoseconds += ran;
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}
