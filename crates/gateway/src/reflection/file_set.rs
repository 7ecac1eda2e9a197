//! Sets of file descriptors.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message as _;

use super::error::FileSetError;
use super::messages::{FileDescriptorSet, FileHead};
use crate::descriptor::Pool;

/// Maximum size of a set, in bytes.
pub(super) const MAX_SIZE: usize = Pool::MAX_SIZE;

/// Maximum number of files in a set.
const MAX_FILES: usize = Pool::MAX_FILES;

/// Encoded `FileDescriptorProto`s and the services to offer: all that the gateway knows of an
/// upstream's interface.
///
/// At most [`Pool::MAX_SIZE`] bytes and [`Pool::MAX_FILES`] files. A set may lack files of
/// `google/protobuf/` and `google/api/`, which many servers do not send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSet {
    files: BTreeMap<String, File>,
    services: BTreeSet<String>,
    size: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    encoded: Bytes,
    dependencies: Vec<String>,
}

impl FileSet {
    /// Creates a set from an encoded `FileDescriptorSet`, as `protoc --descriptor_set_out` and
    /// `buf build` write. All services in it are offered.
    ///
    /// # Errors
    /// [`FileSetError`] if the bytes are not such a set, or the set exceeds the limits.
    pub fn from_descriptor_set(encoded: Bytes) -> Result<Self, FileSetError> {
        let mut set = Self::default();
        if encoded.len() > MAX_SIZE {
            return Err(FileSetError::TooLarge { limit: MAX_SIZE });
        }
        let files = FileDescriptorSet::decode(encoded).map_err(|_| FileSetError::Malformed)?.files;
        for file in files {
            for service in set.insert(file)? {
                set.offer(service);
            }
        }
        Ok(set)
    }

    /// Returns the encoded files, ordered by name.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &Bytes> {
        self.files.values().map(|file| &file.encoded)
    }

    /// Returns an encoded file and the names of the files that it imports.
    pub(super) fn file(&self, name: &str) -> Option<(&Bytes, &[String])> {
        self.files.get(name).map(|file| (&file.encoded, &*file.dependencies))
    }

    /// Returns the full names of the services to offer, in order.
    pub fn services(&self) -> impl ExactSizeIterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }

    /// Adds a file, unless there is one of that name, and returns the full names of the services
    /// that it adds.
    pub(super) fn insert(&mut self, encoded: Bytes) -> Result<Vec<String>, FileSetError> {
        let head = FileHead::decode(encoded.clone()).map_err(|_| FileSetError::Malformed)?;
        let FileHead { name, package, dependencies, services } = head;
        self.size += encoded.len();
        if self.size > MAX_SIZE {
            return Err(FileSetError::TooLarge { limit: MAX_SIZE });
        }
        let Entry::Vacant(entry) = self.files.entry(name) else { return Ok(Vec::new()) };
        entry.insert(File { encoded, dependencies });
        if self.files.len() > MAX_FILES {
            return Err(FileSetError::TooManyFiles { limit: MAX_FILES });
        }
        let prefix = if package.is_empty() { package } else { package + "." };
        Ok(services.into_iter().map(|service| format!("{prefix}{}", service.name)).collect())
    }

    /// Adds a service to those that are offered.
    pub(super) fn offer(&mut self, service: String) {
        self.services.insert(service);
    }

    /// Returns the names of files that files of the set import and that are not in it.
    pub(super) fn missing(&self) -> BTreeSet<String> {
        let imports = self.files.values().flat_map(|file| &file.dependencies);
        imports.filter(|name| !self.files.contains_key(*name)).cloned().collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::super::messages::ServiceHead;
    use super::*;

    /// Returns an encoded file.
    pub(in super::super) fn file(name: &str, imports: &[&str], services: &[&str]) -> Bytes {
        let head = FileHead {
            name: name.to_owned(),
            package: "pkg".to_owned(),
            dependencies: imports.iter().map(ToString::to_string).collect(),
            services: services.iter().map(|name| ServiceHead { name: name.to_string() }).collect(),
        };
        head.encode_to_vec().into()
    }

    #[test]
    fn a_descriptor_set_offers_all_of_its_services() {
        let files =
            vec![file("b.proto", &["a.proto", "c.proto"], &["B"]), file("a.proto", &[], &["A"])];
        let encoded = FileDescriptorSet { files: files.clone() }.encode_to_vec();
        let set = FileSet::from_descriptor_set(encoded.into()).unwrap();
        assert_eq!(set.services().collect::<Vec<_>>(), ["pkg.A", "pkg.B"]);
        assert_eq!(set.files().collect::<Vec<_>>(), [&files[1], &files[0]]);
        assert_eq!(set.missing(), ["c.proto".to_owned()].into());
    }

    #[test]
    fn the_first_of_two_files_with_a_name_is_kept() {
        let mut set = FileSet::default();
        set.insert(file("a.proto", &[], &["First"])).unwrap();
        set.insert(file("a.proto", &["b.proto"], &[])).unwrap();
        assert_eq!(set.files().len(), 1);
        assert!(set.missing().is_empty());
    }

    #[test]
    fn a_file_that_is_not_kept_offers_nothing() {
        let files = vec![file("a.proto", &[], &["First"]), file("a.proto", &[], &["Second"])];
        let encoded = FileDescriptorSet { files }.encode_to_vec();
        let set = FileSet::from_descriptor_set(encoded.into()).unwrap();
        assert_eq!(set.services().collect::<Vec<_>>(), ["pkg.First"]);
    }

    #[test]
    fn other_bytes_and_sets_over_the_limits_are_refused() {
        let malformed = FileSet::from_descriptor_set(Bytes::from_static(b"\x0a\xff"));
        assert_eq!(malformed, Err(FileSetError::Malformed));
        let large = FileSet::from_descriptor_set(vec![0; MAX_SIZE + 1].into());
        assert_eq!(large, Err(FileSetError::TooLarge { limit: MAX_SIZE }));
        let mut set = FileSet::default();
        for number in 0..MAX_FILES {
            set.insert(file(&number.to_string(), &[], &[])).unwrap();
        }
        let more = set.insert(file("more", &[], &[]));
        assert_eq!(more, Err(FileSetError::TooManyFiles { limit: MAX_FILES }));
    }
}
