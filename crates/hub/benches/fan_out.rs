//! The time of a delivery: publications of 128 bytes to all members of a room, whose connections
//! are split and over TCP on the loopback interface. The clients run on another thread.
//!
//! ```text
//! cargo bench -p sockeye-hub --bench fan_out
//! ```
//!
//! Needs two files for each connection: `ulimit -n 12000` suffices.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use sockeye::Server;
use sockeye_hub::{Hub, Result};
use tokio::runtime::Builder;
use tokio::sync::mpsc;

/// The deliveries that are measured for each figure, at least.
const DELIVERIES: usize = 500_000;

/// Length of a publication, in bytes.
const LENGTH: usize = 128;

fn main() {
    println!("CPU and wall-clock time of the server's thread for each delivery of {LENGTH} B");
    for sessions in [1_000, 5_000] {
        for burst in [1, 16] {
            measure(sessions, burst);
        }
    }
}

/// Measures deliveries to a number of sessions, of `burst` publications at a time.
fn measure(sessions: usize, burst: usize) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let hub: Hub = Hub::builder().build();
        let server = Server::bind("127.0.0.1:0").await.expect("a free port");
        let address = server.local_addr().expect("a bound socket has an address");
        let serving = hub.clone();
        tokio::spawn(server.serve(move |ws| {
            let hub = serving.clone();
            async move {
                let mut session = hub.connect(ws, ());
                session.join("room").await?;
                while session.recv().await?.is_some() {}
                Result::<(), Box<dyn Error + Send + Sync>>::Ok(())
            }
        }));
        let (sender, mut received) = mpsc::channel(1024);
        // Ends with the process.
        thread::spawn(move || receive(address, sessions, burst, &sender));
        let room = hub.room("room");
        while room.sessions().expect("the name is valid").len() < sessions {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let rounds = DELIVERIES.div_ceil(sessions * burst);
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
            "{sessions} sessions, {burst} at a time: {:.3} µs, {:.3} µs",
            each(cpu),
            each(wall)
        );
    });
}

/// Receives as many clients, and reports each time that all have received a burst.
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
        std::future::pending::<()>().await;
    });
}

/// A time of the current thread.
struct Spent {
    cpu: Duration,
    at: Instant,
}

impl Spent {
    fn now() -> Self {
        Self { cpu: thread_time().unwrap_or_default(), at: Instant::now() }
    }

    fn elapsed(&self) -> (Duration, Duration) {
        let cpu = thread_time().unwrap_or_default().saturating_sub(self.cpu);
        (cpu, self.at.elapsed())
    }
}

/// Returns the CPU time of the current thread; `None` on other systems than Linux.
fn thread_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = stat.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}
