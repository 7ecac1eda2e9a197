//! Measures gRPC over a WebSocket, and over TCP as tonic does it, in alternating rounds.
//!
//!     cargo bench -p sockeye-grpc --bench transports
//!
//! Client and server run in this process. Reports wall time, and processor time of both, per call
//! or message: for each the median of the rounds, and its ratio to tonic's.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sockeye_grpc_testing::proto::greeter_client::GreeterClient;
use sockeye_grpc_testing::proto::test_service_client::TestServiceClient;
use sockeye_grpc_testing::proto::{DownloadRequest, HelloRequest};
use sockeye_grpc_testing::service::services;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codegen::StdError;
use tonic::transport::Server;

const ROUNDS: usize = 7;
const CONCURRENT: u32 = 128;
const CALLS: u32 = 25_600;
const SEQUENTIAL: u32 = 2_000;
const MESSAGES: u32 = 16_384;
const MESSAGE_LENGTH: u32 = 16 * 1024;

/// Unit of processor time in the kernel's /proc: 10 ms on every Linux.
const TICK: Duration = Duration::from_millis(10);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let (over_tcp, tcp) = (tonic_over_tcp().await?, sockeye_over_tcp().await?);
        let websocket = sockeye_grpc::connect(at_websocket().await?).await?;
        let names = ["tonic, TCP", "sockeye, TCP", "sockeye, WebSocket"];

        let mut figures = vec![Vec::new(); 9];
        for round in 0..=ROUNDS {
            let measured = [
                unary(over_tcp.clone(), CALLS, CONCURRENT).await?,
                unary(tcp.clone(), CALLS, CONCURRENT).await?,
                unary(websocket.clone(), CALLS, CONCURRENT).await?,
                unary(over_tcp.clone(), SEQUENTIAL, 1).await?,
                unary(tcp.clone(), SEQUENTIAL, 1).await?,
                unary(websocket.clone(), SEQUENTIAL, 1).await?,
                stream(over_tcp.clone()).await?,
                stream(tcp.clone()).await?,
                stream(websocket.clone()).await?,
            ];
            // The first round is for warm-up.
            if round > 0 {
                figures.iter_mut().zip(measured).for_each(|(all, one)| all.push(one));
            }
        }
        let what = [
            format!("unary, {CONCURRENT} at once"),
            "unary, one after the other".to_owned(),
            format!("stream of {MESSAGE_LENGTH} bytes each"),
        ];
        for (what, figures) in what.iter().zip(figures.chunks_mut(names.len())) {
            println!("{what}");
            let base = [median(&mut figures[0], 0), median(&mut figures[0], 1)];
            for (name, figures) in names.iter().zip(figures) {
                let [wall, cpu] = [median(figures, 0), median(figures, 1)];
                println!(
                    "  {name:20} {wall:8.2} µs ({:.2})  processor {cpu:8.2} µs ({:.2})",
                    wall / base[0],
                    cpu / base[1],
                );
            }
        }
        Ok(())
    })
}

/// Measures wall and processor time per call, in microseconds.
async fn unary<C>(channel: C, calls: u32, concurrent: u32) -> Result<[f64; 2]>
where
    C: tonic::client::GrpcService<tonic::body::Body> + Clone + Send + 'static,
    C::Error: Into<StdError>,
    C::Future: Send,
    C::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <C::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
    let begin = Times::now()?;
    let mut tasks = JoinSet::new();
    for _ in 0..concurrent {
        let mut greeter = GreeterClient::new(channel.clone());
        tasks.spawn(async move {
            for _ in 0..calls / concurrent {
                greeter.say_hello(HelloRequest { name: "Ada Lovelace".into() }).await?;
            }
            Ok::<_, tonic::Status>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    begin.since(calls)
}

/// Measures the same per message of a server stream.
async fn stream<C>(channel: C) -> Result<[f64; 2]>
where
    C: tonic::client::GrpcService<tonic::body::Body>,
    C::Error: Into<StdError>,
    C::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <C::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
    let begin = Times::now()?;
    let request =
        DownloadRequest { length: MESSAGE_LENGTH, count: MESSAGES.into(), piecemeal: false };
    let mut messages = TestServiceClient::new(channel).download(request).await?.into_inner();
    while messages.message().await?.is_some() {}
    begin.since(MESSAGES)
}

async fn serve_tcp() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (greeter, test_service) = services();
    let server = Server::builder().add_service(greeter).add_service(test_service);
    // As tonic does for sockets that it opens itself.
    let incoming = tokio_stream::StreamExt::map(TcpListenerStream::new(listener), |stream| {
        stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream))
    });
    tokio::spawn(server.serve_with_incoming(incoming));
    Ok(address)
}

async fn tonic_over_tcp() -> Result<tonic::transport::Channel> {
    let url = format!("http://{}", serve_tcp().await?);
    Ok(tonic::transport::Endpoint::from_shared(url)?.connect().await?)
}

async fn sockeye_over_tcp() -> Result<sockeye_grpc::Channel> {
    let address = serve_tcp().await?;
    let connector = move || async move {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    Ok(sockeye_grpc::Endpoint::with_connector(connector).connect().await?)
}

async fn at_websocket() -> Result<String> {
    let websockets = sockeye::Server::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/", websockets.local_addr()?);
    let (incoming, accept) = sockeye_grpc::incoming();
    tokio::spawn(websockets.serve(move |ws| accept.deliver(ws)));
    let (greeter, test_service) = services();
    let server = sockeye_grpc::server().add_service(greeter).add_service(test_service);
    tokio::spawn(server.serve_with_incoming(incoming));
    Ok(url)
}

struct Times {
    wall: Instant,
    processor: Duration,
}

impl Times {
    fn now() -> Result<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        // The fields follow the name in brackets, which may contain any character; times are fields
        // 14 and 15.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks =
            fields.skip(11).take(2).map(str::parse::<u32>).sum::<std::result::Result<u32, _>>()?;
        Ok(Self { wall: Instant::now(), processor: TICK * ticks })
    }

    fn since(&self, calls: u32) -> Result<[f64; 2]> {
        let now = Self::now()?;
        let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(calls);
        Ok([
            each(now.wall.duration_since(self.wall)),
            each(now.processor.saturating_sub(self.processor)),
        ])
    }
}

fn median(figures: &mut [[f64; 2]], which: usize) -> f64 {
    figures.sort_by(|a, b| a[which].total_cmp(&b[which]));
    figures[figures.len() / 2][which]
}
