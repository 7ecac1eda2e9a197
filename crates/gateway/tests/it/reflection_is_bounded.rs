use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use prost::Message as _;
use sockeye_gateway::dialect::framing::Envelope;
use sockeye_gateway::reflection::{FileSet, FileSetError, ReflectionError, fetch};
use sockeye_gateway_testing::proto::reflection_v1::server_reflection_response::MessageResponse;
use sockeye_gateway_testing::proto::reflection_v1::{
    FileDescriptorResponse, ListServiceResponse, ServerReflectionResponse, ServiceResponse,
};
use tower_service::Service;

/// A server that sends these answers, whatever it is asked.
#[derive(Clone)]
struct Scripted(Vec<MessageResponse>);

impl Service<Request<tonic::body::Body>> for Scripted {
    type Response = Response<Frames>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<tonic::body::Body>) -> Self::Future {
        let mut out = BytesMut::new();
        for answer in &self.0 {
            let message_response = Some(answer.clone());
            let response = ServerReflectionResponse { message_response, ..Default::default() };
            Envelope::encode(0, &response.encode_to_vec(), &mut out).unwrap();
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let frames = [Frame::data(out.freeze()), Frame::trailers(trailers)];
        ready(Ok(Response::new(Frames(frames.into()))))
    }
}

struct Frames(VecDeque<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

fn services(names: impl IntoIterator<Item = String>) -> MessageResponse {
    let service = names.into_iter().map(|name| ServiceResponse { name }).collect();
    MessageResponse::ListServicesResponse(ListServiceResponse { service })
}

fn files(encoded: impl IntoIterator<Item = Vec<u8>>) -> MessageResponse {
    let file_descriptor_proto = encoded.into_iter().collect();
    MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto })
}

/// A file that imports another one.
fn file(name: &str, import: &str) -> Vec<u8> {
    let field = |number: u8, text: &str| {
        let length = u8::try_from(text.len()).unwrap();
        [&[number << 3 | 2, length][..], text.as_bytes()].concat()
    };
    [field(1, name), field(3, import)].concat()
}

async fn fetch_from(answers: Vec<MessageResponse>) -> Result<FileSet, ReflectionError> {
    fetch(Scripted(answers)).await
}

#[tokio::test]
async fn a_server_that_lists_too_many_services_is_refused() {
    let many = services((0..10_001).map(|number| format!("pkg.S{number}")));
    let error = fetch_from(vec![many]).await.unwrap_err();
    assert!(matches!(error, ReflectionError::TooManyServices { limit: 10_000 }), "{error}");
}

#[tokio::test]
async fn a_server_with_too_many_files_is_refused() {
    let many = files((0..10_001).map(|number| file(&format!("{number}"), "0")));
    let error = fetch_from(vec![services(["pkg.S".to_owned()]), many]).await.unwrap_err();
    let ReflectionError::FileSet(FileSetError::TooManyFiles { .. }) = error else {
        panic!("{error}")
    };
}

#[tokio::test]
async fn files_that_import_ever_more_files_end_when_the_server_ends() {
    let mut answers = vec![services(["pkg.S".to_owned()])];
    answers.extend(
        (0..100).map(|number| files([file(&format!("{number}"), &format!("{}", number + 1))])),
    );
    // The last import is asked for, and the call has ended.
    let error = fetch_from(answers).await.unwrap_err();
    assert!(matches!(error, ReflectionError::UnexpectedAnswer), "{error}");
}

#[tokio::test]
async fn a_file_is_asked_for_once_whatever_comes_instead() {
    let answers = vec![
        services(["pkg.S".to_owned()]),
        files([file("a", "missing")]),
        files([file("other", "missing")]),
    ];
    let set = fetch_from(answers).await.unwrap();
    assert_eq!(set.files().len(), 2);
    // The service that was listed is not in the files.
    assert_eq!(set.services().len(), 0);
}

#[tokio::test]
async fn an_answer_to_another_question_is_refused() {
    let error = fetch_from(vec![files([])]).await.unwrap_err();
    assert!(matches!(error, ReflectionError::UnexpectedAnswer), "{error}");
}
