//! The answers of server reflection about all upstreams of a catalog.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use prost::{DecodeError, Message as _};

use super::client::METHODS;
use super::messages::{
    Answer, ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    Query, ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};
use crate::catalog::{Catalog, Schema};
use crate::status::Code;

/// The services of reflection itself.
const SERVICES: [&str; 2] =
    ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// Maximum size of the imports that are sent with a file, in bytes: a quarter of the messages that
/// clients of gRPC read. Clients ask for further imports by name.
const MAX_IMPORTS: usize = 1024 * 1024;

/// Reports whether a path is a method of server reflection.
pub(crate) fn is_reflection(path: &str) -> bool {
    METHODS.contains(&path)
}

/// The answers of one call.
///
/// Upstreams may have files of one name with other contents. A file that is asked for by its name
/// is that of the upstream of the answer before, if it has one.
#[derive(Debug)]
pub(crate) struct Answers {
    catalog: Arc<Catalog>,
    /// The files that were sent: the place of the upstream's types, and the name.
    sent: HashSet<(usize, String)>,
    /// The place of the types of the last answer.
    last: usize,
}

impl Answers {
    pub(crate) fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, sent: HashSet::new(), last: 0 }
    }

    /// Returns the encoded answer to an encoded request.
    ///
    /// # Errors
    /// The request is no message of server reflection.
    pub(crate) fn answer(&mut self, request: Bytes) -> Result<Vec<u8>, DecodeError> {
        let query = ServerReflectionRequest::decode(request.clone())?.query;
        let answer = self.answer_query(query);
        let answer = answer.unwrap_or_else(|| Answer::Error(not_found()));
        let response =
            ServerReflectionResponse { original_request: Some(request), answer: Some(answer) };
        Ok(response.encode_to_vec())
    }

    fn answer_query(&mut self, query: Option<Query>) -> Option<Answer> {
        let catalog = Arc::clone(&self.catalog);
        let schemas = catalog.schemas();
        match query? {
            Query::ListServices(_) => {
                let names = catalog.services().into_iter().chain(SERVICES);
                let services = names.map(|name| ServiceResponse { name: name.to_owned() });
                Some(Answer::Services(ListServiceResponse { services: services.collect() }))
            }
            Query::FileByFilename(name) => {
                let has_file = |place: &usize| {
                    schemas
                        .get(*place)
                        .is_some_and(|schema| schema.file_set().file(&name).is_some())
                };
                let place = Some(self.last).filter(has_file);
                let place = place.or_else(|| (0..schemas.len()).find(has_file))?;
                self.files(schemas, place, &name)
            }
            Query::FileContainingSymbol(symbol) => {
                let (place, name) = file_of_symbol(&catalog, &symbol)?;
                self.files(schemas, place, &name)
            }
            Query::FileContainingExtension(extension) => {
                let (place, name) = schemas.iter().enumerate().find_map(|(place, schema)| {
                    let pool = schema.pool();
                    let extendee = pool.find_message(&extension.containing_type)?;
                    let number = u32::try_from(extension.number).ok()?;
                    let found = pool
                        .extensions()
                        .iter()
                        .find(|found| found.extendee == extendee && found.field.number == number)?;
                    Some((place, pool.file(found.file).name.clone()))
                })?;
                self.files(schemas, place, &name)
            }
            Query::ExtensionNumbersOfType(name) => {
                let is_known =
                    schemas.iter().any(|schema| schema.pool().find_message(&name).is_some());
                let numbers = schemas.iter().flat_map(|schema| extension_numbers(schema, &name));
                let mut numbers: Vec<_> = numbers.collect();
                numbers.sort_unstable();
                numbers.dedup();
                let answer = ExtensionNumberResponse { base_type_name: name, numbers };
                is_known.then_some(Answer::ExtensionNumbers(answer))
            }
        }
    }

    /// Returns a file, with those of its imports that were not sent, as far as they are small.
    fn files(&mut self, schemas: &[Arc<Schema>], place: usize, name: &str) -> Option<Answer> {
        let set = schemas.get(place)?.file_set();
        self.last = place;
        let (mut files, mut size, mut names) = (Vec::new(), 0, vec![name]);
        while let Some(name) = names.pop() {
            let Some((encoded, imports)) = set.file(name) else { continue };
            let is_first = files.is_empty();
            if !is_first && size + encoded.len() > MAX_IMPORTS {
                continue;
            }
            if self.sent.insert((place, name.to_owned())) || is_first {
                if !is_first {
                    size += encoded.len();
                }
                files.push(encoded.clone());
                names.extend(imports.iter().map(String::as_str));
            }
        }
        (!files.is_empty()).then_some(Answer::Files(FileDescriptorResponse { files }))
    }
}

/// Returns the place of the types that declare a symbol, and the name of the file. Symbols of a
/// service are those of the upstream that serves it.
fn file_of_symbol(catalog: &Catalog, symbol: &str) -> Option<(usize, String)> {
    let of_service = |name: &str| catalog.schema_of(name);
    let owner = of_service(symbol).or_else(|| of_service(symbol.rsplit_once('.')?.0));
    let in_schema = |(place, schema): (usize, &Arc<Schema>)| {
        if owner.is_some_and(|owner| !Arc::ptr_eq(owner, schema)) {
            return None;
        }
        let file = schema.pool().file_of(symbol)?;
        Some((place, file.name.clone()))
    };
    catalog.schemas().iter().enumerate().find_map(in_schema)
}

fn extension_numbers(schema: &Schema, name: &str) -> Vec<i32> {
    let pool = schema.pool();
    let Some(extendee) = pool.find_message(name) else { return Vec::new() };
    let of_message = pool.extensions().iter().filter(|extension| extension.extendee == extendee);
    of_message.filter_map(|extension| i32::try_from(extension.field.number).ok()).collect()
}

fn not_found() -> ErrorResponse {
    let code = i32::try_from(Code::NotFound.number()).unwrap_or_default();
    ErrorResponse { code, message: "no upstream has such a file, symbol or extension".to_owned() }
}
