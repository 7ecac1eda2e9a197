mod define;

use std::collections::{HashMap, HashSet};

use super::bundled;
use super::features::Features;
use super::pool::Symbol;
use super::proto::{
    Budget, EnumProto, FieldProto, FileProto, MessageProto, ServiceProto, files_of_set,
};
use super::{
    DescriptorError, DescriptorProblem, Enum, EnumId, EnumValue, File, FileId, MessageId, Pool,
};
use define::{check_extensions, check_maps, define_extension, define_message, define_service};

/// The largest number of a field.
const MAX_NUMBER: u64 = (1 << 29) - 1;
/// The largest number of an extension of a `MessageSet`.
const MAX_MESSAGE_SET_NUMBER: u64 = i32::MAX as u64;

type Result<T, E = DescriptorProblem> = std::result::Result<T, E>;

impl Pool {
    /// Reads a serialized `google.protobuf.FileDescriptorSet`.
    ///
    /// # Errors
    /// A [`DescriptorError`] that names the file and the reason, also if a limit is exceeded.
    pub fn from_set(set: &[u8]) -> Result<Self, DescriptorError> {
        let files = files_of_set(set)?;
        link(&files)
    }

    /// Reads serialized `google.protobuf.FileDescriptorProto`s, as server reflection gives them, in
    /// any order. Files that come twice with the same content count once.
    ///
    /// # Errors
    /// A [`DescriptorError`] that names the file and the reason, also if a limit is exceeded.
    pub fn from_files<F: AsRef<[u8]>>(
        files: impl IntoIterator<Item = F>,
    ) -> Result<Self, DescriptorError> {
        let files: Vec<F> = files.into_iter().collect();
        let files: Vec<&[u8]> = files.iter().map(AsRef::as_ref).collect();
        link(&files)
    }
}

/// Makes a pool of serialized `FileDescriptorProto`s.
fn link(files: &[&[u8]]) -> Result<Pool, DescriptorError> {
    let size = files.iter().map(|file| file.len()).sum();
    if size > Pool::MAX_SIZE {
        return Err(of_set(DescriptorProblem::TooLarge { size }));
    }
    if files.len() > Pool::MAX_FILES {
        let what = "files";
        return Err(of_set(DescriptorProblem::TooMany { what, limit: Pool::MAX_FILES }));
    }
    let mut budget = Budget::new();
    let mut protos = Vec::with_capacity(files.len());
    let mut names: HashMap<String, &[u8]> = HashMap::new();
    for &bytes in files {
        let proto = FileProto::parse(bytes, &mut budget)?;
        if proto.is_placeholder() {
            continue;
        }
        match names.get(&proto.name) {
            Some(&other) if other == bytes => {}
            Some(_) => {
                let problem = DescriptorProblem::OtherContent;
                return Err(DescriptorError { file: proto.name, problem });
            }
            None => {
                names.insert(proto.name.clone(), bytes);
                protos.push(proto);
            }
        }
    }

    let bundled: Vec<_> =
        bundled::files().iter().filter(|file| !names.contains_key(&file.name)).collect();
    let mut linker = Linker::new();
    for proto in &protos {
        linker.declare_file(proto, false)?;
    }
    for proto in bundled {
        // A set may declare the well-known types in a file of another name.
        if linker.clashes(proto) {
            continue;
        }
        linker.declare_file(proto, true)?;
    }
    linker.define()
}

fn of_set(problem: DescriptorProblem) -> DescriptorError {
    DescriptorError { file: String::new(), problem }
}

/// Declares all names first, then resolves the types of fields and methods.
struct Linker<'a> {
    pool: Pool,
    messages: Vec<Declared<'a, MessageProto>>,
    services: Vec<Declared<'a, ServiceProto>>,
    extensions: Vec<Declared<'a, FieldProto>>,
}

/// A declaration whose types are not resolved yet.
struct Declared<'a, T> {
    proto: &'a T,
    file: &'a FileProto,
    file_id: FileId,
    /// The full name; of an extension that of what is around it.
    full_name: String,
    features: Features,
    /// The path in `SourceCodeInfo`.
    path: Vec<u32>,
}

impl<'a> Linker<'a> {
    fn new() -> Self {
        Self {
            pool: Pool {
                files: Vec::new(),
                messages: Vec::new(),
                enums: Vec::new(),
                services: Vec::new(),
                extensions: Vec::new(),
                symbols: HashMap::new(),
                methods: HashMap::new(),
            },
            messages: Vec::new(),
            services: Vec::new(),
            extensions: Vec::new(),
        }
    }

    fn clashes(&self, file: &FileProto) -> bool {
        let messages = file.messages.iter().map(|message| &message.name);
        let enums = file.enums.iter().map(|proto| &proto.name);
        messages
            .chain(enums)
            .any(|name| self.pool.symbols.contains_key(scoped(&file.package, name).as_str()))
    }

    fn declare_file(&mut self, file: &'a FileProto, bundled: bool) -> Result<(), DescriptorError> {
        let refuse = |problem| DescriptorError { file: file.name.clone(), problem };
        let file_id = FileId(index(self.pool.files.len()));
        self.pool.files.push(File {
            name: file.name.clone(),
            package: file.package.clone(),
            imports: file.imports.clone(),
            bundled,
        });
        self.declare_members(file, file_id).map_err(refuse)
    }

    fn declare_members(&mut self, file: &'a FileProto, file_id: FileId) -> Result<()> {
        let features = Features::of_edition(file.edition).with(&file.features)?;
        for (number, proto) in (0..).zip(&file.messages) {
            let full_name = scoped(&file.package, &proto.name);
            let path = vec![4, number];
            self.declare_message(Declared { proto, file, file_id, full_name, features, path })?;
        }
        for (number, proto) in (0..).zip(&file.enums) {
            let full_name = scoped(&file.package, &proto.name);
            let path = vec![5, number];
            self.define_enum(&Declared { proto, file, file_id, full_name, features, path })?;
        }
        for (number, proto) in (0..).zip(&file.services) {
            let full_name = scoped(&file.package, &proto.name);
            let path = vec![6, number];
            let id = index(self.services.len());
            self.declare(&full_name, Symbol::Service(id), &proto.name)?;
            self.services.push(Declared { proto, file, file_id, full_name, features, path });
        }
        for (number, proto) in (0..).zip(&file.extensions) {
            let full_name = file.package.clone();
            let path = vec![7, number];
            self.extensions.push(Declared { proto, file, file_id, full_name, features, path });
        }
        Ok(())
    }

    fn declare(&mut self, full_name: &str, symbol: Symbol, name: &str) -> Result<()> {
        if name.is_empty() || full_name.len() > Pool::MAX_NAME {
            return Err(DescriptorProblem::Name(full_name.to_owned()));
        }
        if self.pool.symbols.insert(full_name.into(), symbol).is_some() {
            return Err(DescriptorProblem::Duplicate { name: full_name.to_owned() });
        }
        Ok(())
    }

    fn declare_message(&mut self, message: Declared<'a, MessageProto>) -> Result<()> {
        let (proto, file, file_id) = (message.proto, message.file, message.file_id);
        let features = message.features.with(&proto.features)?;
        let id = MessageId(index(self.messages.len()));
        self.declare(&message.full_name, Symbol::Message(id), &proto.name)?;
        let (full_name, path) = (message.full_name.clone(), message.path.clone());
        self.messages.push(Declared { features, ..message });

        let inside = |kind, number| path.iter().copied().chain([kind, number]).collect();
        for (number, proto) in (0..).zip(&proto.messages) {
            let full_name = scoped(&full_name, &proto.name);
            let path = inside(3, number);
            self.declare_message(Declared { proto, file, file_id, full_name, features, path })?;
        }
        for (number, proto) in (0..).zip(&proto.enums) {
            let full_name = scoped(&full_name, &proto.name);
            let path = inside(4, number);
            self.define_enum(&Declared { proto, file, file_id, full_name, features, path })?;
        }
        for (number, proto) in (0..).zip(&proto.extensions) {
            let (full_name, path) = (full_name.clone(), inside(6, number));
            self.extensions.push(Declared { proto, file, file_id, full_name, features, path });
        }
        Ok(())
    }

    fn define_enum(&mut self, declared: &Declared<'a, EnumProto>) -> Result<()> {
        let features = declared.features.with(&declared.proto.features)?;
        let id = EnumId(index(self.pool.enums.len()));
        self.declare(&declared.full_name, Symbol::Enum(id), &declared.proto.name)?;
        if declared.proto.values.is_empty() {
            return Err(invalid(&declared.full_name, "at least one value"));
        }
        let mut names = HashSet::new();
        let mut values = Vec::with_capacity(declared.proto.values.len());
        for (place, (name, number)) in (0..).zip(&declared.proto.values) {
            if name.is_empty() || !names.insert(name) {
                let name = scoped(&declared.full_name, name);
                return Err(DescriptorProblem::Duplicate { name });
            }
            let comment = declared.comment(&[2, place]);
            values.push(EnumValue { name: name.clone(), number: *number, comment });
        }
        self.pool.enums.push(Enum {
            full_name: declared.full_name.clone(),
            file: declared.file_id,
            values,
            closed: features.closed,
            comment: declared.comment(&[]),
        });
        Ok(())
    }

    fn define(mut self) -> Result<Pool, DescriptorError> {
        for message in &self.messages {
            let defined = define_message(&self.pool, message).map_err(|e| message.refuse(e))?;
            self.pool.messages.push(defined);
        }
        for message in &self.messages {
            check_maps(&mut self.pool, message).map_err(|e| message.refuse(e))?;
        }
        for extension in &self.extensions {
            let defined = define_extension(&self.pool, extension);
            self.pool.extensions.extend(defined.map_err(|e| extension.refuse(e))?);
        }
        check_extensions(&self.pool).map_err(of_set)?;
        for service in &self.services {
            define_service(&mut self.pool, service).map_err(|e| service.refuse(e))?;
        }
        Ok(self.pool)
    }
}

impl<T> Declared<'_, T> {
    fn refuse(&self, problem: DescriptorProblem) -> DescriptorError {
        DescriptorError { file: self.file.name.clone(), problem }
    }

    fn comment(&self, inside: &[u32]) -> String {
        if self.file.comments.is_empty() {
            return String::new();
        }
        let path = [self.path.as_slice(), inside].concat();
        self.file.comments.get(&path).cloned().unwrap_or_default()
    }
}

fn scoped(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

fn invalid(element: &str, expected: &'static str) -> DescriptorProblem {
    DescriptorProblem::Invalid { element: element.to_owned(), expected }
}

#[expect(clippy::cast_possible_truncation, reason = "the limits of a pool are below 2^32")]
fn index(length: usize) -> u32 {
    length as u32
}
