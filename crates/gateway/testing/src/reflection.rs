//! Server reflection in both versions.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use prost::Message as _;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use crate::proto::{reflection_v1, reflection_v1alpha};

/// The versions of reflection that a server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReflectionVersion {
    /// `grpc.reflection.v1` and `v1alpha`.
    #[default]
    Both,
    /// `grpc.reflection.v1alpha` only.
    V1Alpha,
    /// None.
    None,
}

/// Reflection of a set of descriptors, which tests replace. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Reflection {
    set: Arc<Mutex<Index>>,
}

#[derive(Debug, Default)]
struct Index {
    files: BTreeMap<String, Vec<u8>>,
    /// The name of the file that defines each service.
    services: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Set {
    #[prost(bytes = "vec", repeated, tag = "1")]
    files: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct File {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "6")]
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
}

impl Reflection {
    /// Creates the reflection of an encoded `FileDescriptorSet`.
    pub(crate) fn new(descriptors: &[u8]) -> Self {
        let reflection = Self { set: Arc::default() };
        reflection.replace(descriptors);
        reflection
    }

    /// Replaces the set. Bytes that are no set become the only file of a service `broken.Service`.
    pub(crate) fn replace(&self, descriptors: &[u8]) {
        let mut index = Index::default();
        if let Ok(set) = Set::decode(descriptors) {
            for encoded in set.files {
                let file = File::decode(encoded.as_slice()).unwrap_or_default();
                for service in file.services {
                    let name = format!("{}.{}", file.package, service.name);
                    index.services.insert(name, file.name.clone());
                }
                index.files.insert(file.name, encoded);
            }
        } else {
            index.services.insert("broken.Service".to_owned(), "broken.proto".to_owned());
            index.files.insert("broken.proto".to_owned(), descriptors.to_vec());
        }
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = index;
    }

    fn services(&self) -> Vec<String> {
        let index = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        index.services.keys().cloned().collect()
    }

    /// Returns the one file of a name. Imports are for the client to ask for.
    fn file(&self, name: &str) -> Option<Vec<u8>> {
        let index = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        index.files.get(name).cloned()
    }

    fn file_of_symbol(&self, symbol: &str) -> Option<Vec<u8>> {
        let index = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        index.files.get(index.services.get(symbol)?).cloned()
    }
}

/// Implements a version of reflection: both have the same messages in different packages.
macro_rules! implement {
    ($version:ident) => {
        #[tonic::async_trait]
        impl $version::server_reflection_server::ServerReflection for Reflection {
            type ServerReflectionInfoStream = Pin<
                Box<dyn Stream<Item = Result<$version::ServerReflectionResponse, Status>> + Send>,
            >;

            async fn server_reflection_info(
                &self,
                request: Request<Streaming<$version::ServerReflectionRequest>>,
            ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
                use $version::server_reflection_request::MessageRequest;
                use $version::server_reflection_response::MessageResponse;

                let reflection = self.clone();
                let answers = request.into_inner().map(move |request| {
                    let found = |file: Option<Vec<u8>>| match file {
                        Some(file) => MessageResponse::FileDescriptorResponse(
                            $version::FileDescriptorResponse { file_descriptor_proto: vec![file] },
                        ),
                        None => MessageResponse::ErrorResponse($version::ErrorResponse {
                            error_code: 5,
                            error_message: "there is no such file".to_owned(),
                        }),
                    };
                    let answer = match request?.message_request {
                        Some(MessageRequest::ListServices(_)) => {
                            let services = reflection.services().into_iter();
                            MessageResponse::ListServicesResponse($version::ListServiceResponse {
                                service: services
                                    .map(|name| $version::ServiceResponse { name })
                                    .collect(),
                            })
                        }
                        Some(MessageRequest::FileByFilename(name)) => found(reflection.file(&name)),
                        Some(MessageRequest::FileContainingSymbol(symbol)) => {
                            found(reflection.file_of_symbol(&symbol))
                        }
                        None => found(None),
                    };
                    Ok($version::ServerReflectionResponse {
                        message_response: Some(answer),
                        ..Default::default()
                    })
                });
                Ok(Response::new(Box::pin(answers)))
            }
        }
    };
}

implement!(reflection_v1);
implement!(reflection_v1alpha);
