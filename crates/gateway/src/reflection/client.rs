//! The client of server reflection.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use http_body::Body;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::client::{Grpc, GrpcService};
use tonic::{Code, Request, Streaming};
use tonic_prost::ProstCodec;

use super::ReflectionError;
use super::file_set::{FileSet, MAX_SIZE};
use super::messages::{Answer, Query, ServerReflectionRequest, ServerReflectionResponse};

/// The method in both versions, the newer first. Python's server has only the older one.
pub(super) const METHODS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Prefix of the names of reflection itself.
const REFLECTION: &str = "grpc.reflection.";

/// Timeout of all questions together. Chosen: a hundred services at 100 ms each.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum number of services of a server.
const MAX_SERVICES: usize = 10_000;

/// Asks a server for its services, and for the files that define them.
///
/// A service that the server lists and cannot describe is omitted, with a warning.
///
/// # Errors
/// [`ReflectionError`] if the server has no reflection, fails, does not answer within 10 s, or
/// exceeds the limits of a [`FileSet`] or 10,000 services.
///
/// # Cancel safety
/// Dropping the future cancels the call.
pub async fn fetch<T>(server: T) -> Result<FileSet, ReflectionError>
where
    T: GrpcService<tonic::body::Body> + Clone,
    T::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<Box<dyn Error + Send + Sync>> + Send,
{
    let fetched = async {
        let [newer, older] = METHODS;
        match fetch_by(server.clone(), newer).await {
            Err(ReflectionError::Status(status)) if status.code() == Code::Unimplemented => {
                fetch_by(server, older).await
            }
            fetched => fetched,
        }
    };
    timeout(TIMEOUT, fetched).await.unwrap_or(Err(ReflectionError::TimedOut { limit: TIMEOUT }))
}

async fn fetch_by<T>(server: T, method: &'static str) -> Result<FileSet, ReflectionError>
where
    T: GrpcService<tonic::body::Body>,
    T::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<Box<dyn Error + Send + Sync>> + Send,
{
    let mut session = Session::open(server, method).await?;
    let services = session.services().await?;
    let (mut set, mut defined) = (FileSet::default(), BTreeSet::new());
    for service in services {
        if service.starts_with(REFLECTION) {
            continue;
        }
        if !defined.contains(&service) {
            let files = session.files(Query::FileContainingSymbol(service.clone())).await?;
            for file in files {
                defined.extend(set.insert(file)?);
            }
        }
        if defined.contains(&service) {
            set.offer(service);
        } else {
            tracing::warn!(service, "a service that the server lists has no descriptor");
        }
    }
    // Each name is asked for once, so that there is an end whatever the server answers.
    let mut asked = BTreeSet::new();
    loop {
        let missing: Vec<_> = set.missing().difference(&asked).cloned().collect();
        if missing.is_empty() {
            return Ok(set);
        }
        for name in missing {
            asked.insert(name.clone());
            for file in session.files(Query::FileByFilename(name)).await? {
                set.insert(file)?;
            }
        }
    }
}

/// One reflection call: questions and answers in turn.
struct Session {
    /// At most one question waits, since each is answered before the next.
    questions: mpsc::Sender<ServerReflectionRequest>,
    answers: Streaming<ServerReflectionResponse>,
    /// The answer to the first question is still to come.
    is_new: bool,
}

impl Session {
    /// Opens the call and lists the services: servers may send no headers before a question.
    async fn open<T>(server: T, method: &'static str) -> Result<Self, ReflectionError>
    where
        T: GrpcService<tonic::body::Body>,
        T::ResponseBody: Body<Data = Bytes> + Send + 'static,
        <T::ResponseBody as Body>::Error: Into<Box<dyn Error + Send + Sync>> + Send,
    {
        let (questions, asked) = mpsc::channel(1);
        let first = ServerReflectionRequest { query: Some(Query::ListServices(String::new())) };
        // The channel is empty.
        let _ = questions.try_send(first);
        let asked = stream::unfold(asked, |mut asked| async {
            asked.recv().await.map(|question| (question, asked))
        });
        let mut client = Grpc::new(server).max_decoding_message_size(MAX_SIZE);
        let codec = ProstCodec::<ServerReflectionRequest, ServerReflectionResponse>::default();
        let path = PathAndQuery::from_static(method);
        let answers = client.streaming(Request::new(asked), path, codec).await?.into_inner();
        Ok(Self { questions, answers, is_new: true })
    }

    async fn ask(&mut self, query: Query) -> Result<Answer, ReflectionError> {
        if !std::mem::take(&mut self.is_new) {
            // If the server has ended the call, reading the answer says why.
            let _ = self.questions.send(ServerReflectionRequest { query: Some(query) }).await;
        }
        let answer = self.answers.message().await?.and_then(|answer| answer.answer);
        answer.ok_or(ReflectionError::UnexpectedAnswer)
    }

    async fn services(&mut self) -> Result<Vec<String>, ReflectionError> {
        let Answer::Services(listed) = self.ask(Query::ListServices(String::new())).await? else {
            return Err(ReflectionError::UnexpectedAnswer);
        };
        if listed.services.len() > MAX_SERVICES {
            return Err(ReflectionError::TooManyServices { limit: MAX_SERVICES });
        }
        Ok(listed.services.into_iter().map(|service| service.name).collect())
    }

    /// Returns the files that the server answers with: none if it knows none.
    async fn files(&mut self, query: Query) -> Result<Vec<Bytes>, ReflectionError> {
        match self.ask(query).await? {
            Answer::Files(found) => Ok(found.files),
            Answer::Error(error) => {
                tracing::debug!(
                    code = error.code,
                    error = error.message,
                    "reflection found no file"
                );
                Ok(Vec::new())
            }
            Answer::Services(_) | Answer::ExtensionNumbers(_) => {
                Err(ReflectionError::UnexpectedAnswer)
            }
        }
    }
}
