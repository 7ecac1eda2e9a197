/// Options for reading JSON.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ParseOptions {
    /// Skip unknown fields, and unknown names of enum values. Default: true, as in grpc-gateway.
    pub ignore_unknown: bool,
    /// Write zero values of fields without presence, so that the message replaces them in one
    /// before it. Default: false.
    pub write_zeros: bool,
    /// The deepest nesting of objects, and of arrays of `google.protobuf.Value`. Default: 100.
    pub max_depth: u32,
    /// The most bytes of output. Default: 64 MiB.
    pub max_output: usize,
}

impl ParseOptions {
    /// Sets [`ignore_unknown`](Self::ignore_unknown).
    pub fn ignore_unknown(mut self, ignore: bool) -> Self {
        self.ignore_unknown = ignore;
        self
    }

    /// Sets [`write_zeros`](Self::write_zeros).
    pub fn write_zeros(mut self, write: bool) -> Self {
        self.write_zeros = write;
        self
    }

    /// Sets [`max_depth`](Self::max_depth).
    pub fn max_depth(mut self, depth: u32) -> Self {
        self.max_depth = depth;
        self
    }

    /// Sets [`max_output`](Self::max_output).
    pub fn max_output(mut self, bytes: usize) -> Self {
        self.max_output = bytes;
        self
    }
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self { ignore_unknown: true, write_zeros: false, max_depth: 100, max_output: 64 << 20 }
    }
}

/// The fields that are printed though they are not set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unpopulated {
    /// None.
    #[default]
    Omit,
    /// Lists, maps and fields without presence: as `[]`, `{}` and zero values.
    Defaults,
    /// The fields of [`Defaults`](Self::Defaults), and as `null` fields with presence that are
    /// neither members of a oneof nor `optional` of proto3: as grpc-gateway prints.
    Nulls,
}

/// The treatment of an `Any` whose type is not in the set, when it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownAny {
    /// An error.
    #[default]
    Refuse,
    /// The bytes in base64 as `value`. No parser reads that form: it is for people.
    Base64,
}

/// Options for printing JSON. The default is protobuf's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PrintOptions {
    /// Print the names of fields as in the `.proto` file. Default: false.
    pub proto_names: bool,
    /// Print enums as numbers. Default: false.
    pub enums_as_numbers: bool,
    /// The fields that are printed though they are not set. Default: none.
    pub unpopulated: Unpopulated,
    /// Print each member on a line, indented by two spaces a level. Default: false.
    pub pretty: bool,
    /// The treatment of an `Any` whose type is not in the set. Default: an error.
    pub unknown_any: UnknownAny,
    /// The deepest nesting of messages. Default: 100.
    pub max_depth: u32,
    /// The most bytes of output. Default: 64 MiB.
    pub max_output: usize,
}

impl PrintOptions {
    /// The defaults of JSON over HTTP: unset fields are printed as grpc-gateway prints them.
    pub fn rest() -> Self {
        Self::default().unpopulated(Unpopulated::Nulls)
    }

    /// Sets [`proto_names`](Self::proto_names).
    pub fn proto_names(mut self, proto_names: bool) -> Self {
        self.proto_names = proto_names;
        self
    }

    /// Sets [`enums_as_numbers`](Self::enums_as_numbers).
    pub fn enums_as_numbers(mut self, numbers: bool) -> Self {
        self.enums_as_numbers = numbers;
        self
    }

    /// Sets [`unpopulated`](Self::unpopulated).
    pub fn unpopulated(mut self, unpopulated: Unpopulated) -> Self {
        self.unpopulated = unpopulated;
        self
    }

    /// Sets [`pretty`](Self::pretty).
    pub fn pretty(mut self, pretty: bool) -> Self {
        self.pretty = pretty;
        self
    }

    /// Sets [`unknown_any`](Self::unknown_any).
    pub fn unknown_any(mut self, unknown_any: UnknownAny) -> Self {
        self.unknown_any = unknown_any;
        self
    }

    /// Sets [`max_depth`](Self::max_depth).
    pub fn max_depth(mut self, depth: u32) -> Self {
        self.max_depth = depth;
        self
    }

    /// Sets [`max_output`](Self::max_output).
    pub fn max_output(mut self, bytes: usize) -> Self {
        self.max_output = bytes;
        self
    }
}

impl Default for PrintOptions {
    fn default() -> Self {
        Self {
            proto_names: false,
            enums_as_numbers: false,
            unpopulated: Unpopulated::Omit,
            pretty: false,
            unknown_any: UnknownAny::Refuse,
            max_depth: 100,
            max_output: 64 << 20,
        }
    }
}
