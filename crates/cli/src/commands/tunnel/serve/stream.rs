//! One stream of a client: its request, and the connection that it asks for.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::client::Client;
use super::record::Record;
use super::{bind, proxy_header, target, udp};
use crate::commands::tunnel::protocol::{Answer, Code, Kind, REQUEST_TIMEOUT, Request};
use crate::commands::tunnel::relay::{self, End, Stream};
use crate::commands::tunnel::socket::{self, Socket};

/// Serves a stream until its connection has ended.
pub(super) async fn serve(client: Arc<Client>, mut stream: Stream) {
    // A stream without a request in time is reset by being dropped.
    let Ok(request) = timeout(REQUEST_TIMEOUT, Request::read(&mut stream.recv)).await else {
        return;
    };
    let request = match request {
        Ok(request) => request,
        Err(error) => {
            tracing::debug!(session = client.number, "a stream was refused: {error}");
            return stream.refuse(&Answer::new(Code::REQUEST, error)).await;
        }
    };
    let mut record = Record::begin(&client, &request);
    match request.kind {
        Kind::Tcp => tcp(&client, &request, stream, &mut record).await,
        Kind::Unix => unix(&client, &request, stream, &mut record).await,
        Kind::Udp => udp::serve(&client, &request, stream, &mut record).await,
        Kind::Bind | Kind::BindUnix => bind::serve(&client, &request, stream, &mut record).await,
        Kind::Accepted => {
            let answer = Answer::new(Code::REQUEST, "only a server accepts connections");
            record.refuse(stream, answer).await;
        }
    }
}

async fn tcp(client: &Client, request: &Request, stream: Stream, record: &mut Record) {
    let service = client.service();
    let connected = async {
        let addresses = target::resolve(&service, request).await?;
        target::connect(&addresses, service.connect_timeout).await
    };
    let (mut connection, address) = match connected.await {
        Ok(connected) => connected,
        Err(answer) => return record.refuse(stream, answer).await,
    };
    record.address = Some(address.to_string());
    if service.send_proxy {
        let header = proxy_header::encode(client.peer, address);
        if let Err(error) = connection.write_all(&header).await {
            return record.refuse(stream, target::failure(&request.target(), &error)).await;
        }
    }
    join(socket::of_tcp(connection), stream, service.stream_idle, record).await;
}

async fn unix(client: &Client, request: &Request, stream: Stream, record: &mut Record) {
    let service = client.service();
    if let Err(denied) = service.targets.check_path(&request.host) {
        return record.refuse(stream, target::denied(&request.target(), denied)).await;
    }
    let connecting = UnixStream::connect(Path::new(&*request.host));
    let connection = match timeout(service.connect_timeout, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            return record.refuse(stream, target::failure(&request.target(), &error)).await;
        }
        Err(_) => {
            let answer = Answer::new(Code::TIMEOUT, "the Unix socket does not accept");
            return record.refuse(stream, answer).await;
        }
    };
    join(Box::new(connection), stream, service.stream_idle, record).await;
}

/// Answers that the connection is open, and relays until its end.
async fn join(
    connection: Box<dyn Socket>,
    mut stream: Stream,
    idle_timeout: Option<Duration>,
    record: &mut Record,
) {
    let end = match stream.send.write_all(&Answer::ok().encode()).await {
        Ok(()) => relay::relay(connection, stream, &record.counts, idle_timeout).await,
        Err(error) => {
            connection.abort();
            End::Session(error)
        }
    };
    record.end(&end);
}
