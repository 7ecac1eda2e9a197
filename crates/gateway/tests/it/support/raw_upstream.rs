//! A server of HTTP/2 that answers as a test says, frame by frame.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use protox::Compiler;
use sockeye_gateway::Gateway;
use sockeye_gateway::catalog::{Descriptors, Source};
use sockeye_gateway::reflection::FileSet;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::upstream;

/// A server without reflection, until it is dropped.
pub(crate) struct RawUpstream {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl RawUpstream {
    /// Starts a server that answers each request by this function.
    pub(crate) async fn start<A, F>(answer: A) -> Self
    where
        A: Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                    while let Some(Ok((request, response))) = connection.accept().await {
                        tokio::spawn(answer(request, response));
                    }
                });
            }
        });
        Self { address, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the server as a source of the services of a file in `tests/data`.
    pub(crate) fn source(&self, file: &str) -> Source {
        Source::new(upstream(&self.url())).descriptors(Descriptors::Fixed(descriptors(file)))
    }

    /// Returns the settings of a gateway in front of the server, with the services of a file.
    pub(crate) fn builder(&self, file: &str) -> sockeye_gateway::Builder {
        Gateway::builder().source(self.source(file))
    }
}

impl Drop for RawUpstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Compiles a file in `tests/data`.
pub(crate) fn descriptors(file: &str) -> FileSet {
    FileSet::from_descriptor_set(compile(file).into()).unwrap()
}

/// Compiles a file in `tests/data` to an encoded `FileDescriptorSet`.
pub(crate) fn compile(file: &str) -> Vec<u8> {
    let folder = |name: &str| format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut compiler = Compiler::new([folder("tests/data"), folder("testing/proto")]).unwrap();
    compiler.include_imports(true).open_file(file).unwrap();
    compiler.encode_file_descriptor_set()
}

/// Reads the messages of a request to its end.
pub(crate) async fn read_messages(body: &mut RecvStream) -> Vec<Bytes> {
    let mut all = BytesMut::new();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        all.extend_from_slice(&data);
    }
    let (mut all, mut messages) = (all.freeze(), Vec::new());
    while all.len() >= 5 {
        assert_eq!(all.get_u8(), 0, "the message has flags");
        let length = all.get_u32() as usize;
        messages.push(all.split_to(length));
    }
    messages
}

/// Returns a message with its length prefix.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap());
    framed.extend_from_slice(message);
    framed.freeze()
}

/// Sends the head of a response of gRPC.
pub(crate) fn begin(response: &mut SendResponse<Bytes>) -> SendStream<Bytes> {
    let head = Response::builder().header("content-type", "application/grpc");
    response.send_response(head.body(()).unwrap(), false).unwrap()
}

/// Ends a response with a code.
pub(crate) fn end(stream: &mut SendStream<Bytes>, code: u32) {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    let _ = stream.send_trailers(trailers);
}

/// Waits until the gateway resets a stream.
pub(crate) async fn until_reset(stream: &mut SendStream<Bytes>) {
    let _ = poll_fn(|cx| stream.poll_reset(cx)).await;
}
