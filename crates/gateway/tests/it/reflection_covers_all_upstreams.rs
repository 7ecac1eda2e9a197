use http::Request;
use prost::Message as _;
use sockeye_gateway::Gateway;
use sockeye_gateway::catalog::{Descriptors, Source};
use sockeye_gateway::dialect::framing::{EnvelopeDecoder, EnvelopeFormat};
use sockeye_gateway::reflection::fetch;
use sockeye_gateway_testing::proto::reflection_v1::server_reflection_client::ServerReflectionClient;
use sockeye_gateway_testing::proto::reflection_v1::server_reflection_request::MessageRequest;
use sockeye_gateway_testing::proto::reflection_v1::server_reflection_response::MessageResponse;
use sockeye_gateway_testing::proto::reflection_v1::{
    ServerReflectionRequest, ServerReflectionResponse,
};
use sockeye_gateway_testing::{Options, ReflectionVersion, Server};
use tokio_stream::StreamExt as _;

use crate::support::raw_upstream::{descriptors, framed};
use crate::support::{Pieces, ServedGateway, upstream};

const NAMES: [&str; 3] = ["bodies.Bodies", "grpc.health.v1.Health", "sockeye.gateway.testing.Echo"];

/// Starts a gateway in front of a server that has reflection, and of one whose services are in a
/// file.
async fn serve() -> (Vec<Server>, ServedGateway) {
    let first = Server::start().await;
    let options = Options { reflection: ReflectionVersion::None, ..Options::default() };
    let second = Server::start_with(options).await.unwrap();
    let source = Source::new(upstream(&second.url()))
        .descriptors(Descriptors::Fixed(descriptors("bodies.proto")));
    let gateway = Gateway::builder().upstream(upstream(&first.url())).source(source);
    let gateway = ServedGateway::start(gateway.build()).await;
    (vec![first, second], gateway)
}

async fn ask(gateway: &ServedGateway, questions: Vec<MessageRequest>) -> Vec<MessageResponse> {
    let request = |question| ServerReflectionRequest {
        message_request: Some(question),
        ..ServerReflectionRequest::default()
    };
    let questions: Vec<_> = questions.into_iter().map(request).collect();
    let mut client = ServerReflectionClient::new(upstream(&gateway.url()));
    let answers = client.server_reflection_info(tokio_stream::iter(questions)).await.unwrap();
    let answers: Vec<ServerReflectionResponse> =
        answers.into_inner().map(Result::unwrap).collect().await;
    answers.into_iter().map(|answer| answer.message_response.unwrap()).collect()
}

#[tokio::test]
async fn all_services_of_all_upstreams_are_listed() {
    let (_servers, gateway) = serve().await;
    let answers = ask(&gateway, vec![MessageRequest::ListServices(String::new())]).await;
    let [MessageResponse::ListServicesResponse(list)] = &answers[..] else { panic!("{answers:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names[..3], NAMES);
    assert_eq!(names[3], "grpc.reflection.v1.ServerReflection");
}

#[tokio::test]
async fn a_client_learns_the_files_of_all_services() {
    let (_servers, gateway) = serve().await;
    let set = fetch(upstream(&gateway.url())).await.unwrap();
    assert_eq!(set.services().collect::<Vec<_>>(), NAMES);
    // And a gateway behind this gateway works.
    let behind = Gateway::builder().upstream(upstream(&gateway.url())).build();
    let behind = ServedGateway::start(behind).await;
    assert_eq!(behind.get("/v1/echo/x").await.status, 200);
}

#[tokio::test]
async fn symbols_files_and_unknown_names_have_their_answers() {
    let (_servers, gateway) = serve().await;
    let answers = ask(
        &gateway,
        vec![
            MessageRequest::FileContainingSymbol("bodies.Item".to_owned()),
            MessageRequest::FileContainingSymbol("bodies.Bodies.Raw".to_owned()),
            MessageRequest::FileByFilename("google/api/httpbody.proto".to_owned()),
            MessageRequest::FileContainingSymbol("bodies.Nothing.At.All".to_owned()),
            MessageRequest::FileByFilename("nothing.proto".to_owned()),
        ],
    )
    .await;
    let counts: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            MessageResponse::FileDescriptorResponse(files) => files.file_descriptor_proto.len(),
            MessageResponse::ErrorResponse(error) => {
                assert_eq!(error.error_code, 5);
                0
            }
            other @ MessageResponse::ListServicesResponse(_) => panic!("{other:?}"),
        })
        .collect();
    // The file and its imports; afterwards only what was asked for.
    assert!(counts[0] >= 4, "{counts:?}");
    assert_eq!(counts[1..], [1, 1, 0, 0]);
}

#[tokio::test]
async fn other_dialects_list_all_services_as_well() {
    let (_servers, gateway) = serve().await;
    for (content_type, format, end) in [
        ("application/connect+proto", EnvelopeFormat::Connect, &b"{}"[..]),
        ("application/grpc-web+proto", EnvelopeFormat::GrpcWeb, b"grpc-status: 0\r\n"),
    ] {
        let question = MessageRequest::ListServices(String::new());
        let question = ServerReflectionRequest {
            message_request: Some(question),
            ..ServerReflectionRequest::default()
        };
        let request = Request::post("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
            .header("content-type", content_type)
            .body(Pieces::new([framed(&question.encode_to_vec())]));
        let fetched = gateway.fetch(request.unwrap()).await;
        assert_eq!(fetched.status, 200);
        assert_eq!(fetched.headers["content-type"], content_type);
        let mut decoder = EnvelopeDecoder::new(format, 1 << 20);
        decoder.push(fetched.body.into());
        let answer = decoder.next_envelope().unwrap().unwrap().payload;
        let answer = ServerReflectionResponse::decode(answer).unwrap().message_response;
        let Some(MessageResponse::ListServicesResponse(list)) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(list.service.len(), 5);
        let closing = decoder.next_envelope().unwrap().unwrap();
        assert_eq!((closing.is_end(), &closing.payload.to_ascii_lowercase()[..]), (true, end));
    }
}

#[tokio::test]
async fn one_upstream_with_reflection_answers_by_itself() {
    let server = Server::start().await;
    let gateway = Gateway::builder().upstream(upstream(&server.url())).build();
    let gateway = ServedGateway::start(gateway).await;
    let answers = ask(&gateway, vec![MessageRequest::ListServices(String::new())]).await;
    let directly = {
        let mut client = ServerReflectionClient::new(upstream(&server.url()));
        let request = ServerReflectionRequest {
            message_request: Some(MessageRequest::ListServices(String::new())),
            ..ServerReflectionRequest::default()
        };
        let answers = client.server_reflection_info(tokio_stream::iter([request])).await.unwrap();
        let answers: Vec<_> = answers.into_inner().map(Result::unwrap).collect().await;
        answers.into_iter().map(|answer| answer.message_response.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(answers, directly);
}

#[tokio::test]
async fn the_gateway_answers_for_one_upstream_whose_services_are_in_a_file() {
    let options = Options { reflection: ReflectionVersion::None, ..Options::default() };
    let server = Server::start_with(options).await.unwrap();
    let source = Source::new(upstream(&server.url()))
        .descriptors(Descriptors::Fixed(descriptors("bodies.proto")));
    let gateway = ServedGateway::start(Gateway::builder().source(source).build()).await;
    let set = fetch(upstream(&gateway.url())).await.unwrap();
    assert_eq!(set.services().collect::<Vec<_>>(), ["bodies.Bodies"]);
}
