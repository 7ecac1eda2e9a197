use sockeye_gateway::reflection::{FileSet, ReflectionError, fetch};
use sockeye_gateway_testing::{DESCRIPTORS, Options, ReflectionVersion, Server};
use tonic::Code;

use crate::support::upstream;

async fn server(reflection: ReflectionVersion) -> Server {
    Server::start_with(Options { reflection, ..Options::default() }).await.unwrap()
}

#[tokio::test]
async fn both_versions_of_reflection_give_all_files_of_the_services() {
    for version in [ReflectionVersion::Both, ReflectionVersion::V1Alpha] {
        let server = server(version).await;
        let set = fetch(upstream(&server.url())).await.unwrap();
        let services: Vec<_> = set.services().collect();
        assert_eq!(services, ["grpc.health.v1.Health", "sockeye.gateway.testing.Echo"]);
        // The file of the service, its imports and theirs.
        assert_eq!(set.files().len(), 5);
    }
}

#[tokio::test]
async fn a_server_without_reflection_is_told_apart() {
    let server = server(ReflectionVersion::None).await;
    let error = fetch(upstream(&server.url())).await.unwrap_err();
    let ReflectionError::Status(status) = error else { panic!("{error}") };
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn bytes_that_are_no_descriptor_are_refused() {
    let server = server(ReflectionVersion::Both).await;
    server.set_descriptors(b"\xff\xff garbage");
    let error = fetch(upstream(&server.url())).await.unwrap_err();
    assert!(matches!(error, ReflectionError::FileSet(_)), "{error}");
}

#[test]
fn a_descriptor_set_has_the_services_of_its_files() {
    let set = FileSet::from_descriptor_set(DESCRIPTORS.into()).unwrap();
    assert!(set.services().any(|service| service == "sockeye.gateway.testing.Echo"));
}
