use proptest::collection::vec;
use proptest::prelude::*;
use protox::Compiler;
use protox::file::{ChainFileResolver, File as SourceFile, FileResolver, GoogleFileResolver};

use super::{Cardinality, DescriptorProblem, Idempotency, Kind, Pool};
use crate::protobuf::fields::{field, varint};
use crate::transcode::Tables;

/// One file, by the name `test.proto`.
struct Source(&'static str);

impl FileResolver for Source {
    fn open_file(&self, name: &str) -> Result<SourceFile, protox::Error> {
        match name {
            "test.proto" => SourceFile::from_source(name, self.0),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// The set of a file's descriptor, without its imports.
fn compile(source: &'static str) -> Vec<u8> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Source(source));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(false).include_source_info(true);
    compiler.open_file("test.proto").unwrap().encode_file_descriptor_set()
}

/// A `FileDescriptorProto` by the name `test.proto`, of proto3.
fn file(parts: &[Vec<u8>]) -> Vec<u8> {
    [field(1, b"test.proto"), parts.concat(), field(12, b"proto3")].concat()
}

/// A message, and what is in it.
fn message(name: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    field(4, &[field(1, name.as_bytes()), parts.concat()].concat())
}

/// A field of a message: an int32, unless it has the name of a type.
fn member(name: &str, number: u64, type_name: &str) -> Vec<u8> {
    let kind = if type_name.is_empty() { varint(5, 5) } else { field(6, type_name.as_bytes()) };
    field(2, &[field(1, name.as_bytes()), varint(3, number), varint(4, 1), kind].concat())
}

fn refused(files: &[Vec<u8>]) -> DescriptorProblem {
    Pool::from_files(files).unwrap_err().problem
}

const SHOP: &str = r#"
    syntax = "proto3";
    package shop;
    import "google/protobuf/empty.proto";
    import "google/protobuf/timestamp.proto";

    // Sells things.
    service Shop {
      // Finds an item.
      rpc Find(Query) returns (Item) { option idempotency_level = NO_SIDE_EFFECTS; }
      rpc Watch(google.protobuf.Empty) returns (stream Item) { option deprecated = true; }
      rpc Upload(stream Item) returns (Query) { option idempotency_level = IDEMPOTENT; }
      rpc Chat(stream Item) returns (stream Item);
    }

    // What is for sale.
    message Item {
      string name = 1; // After it.
      // When it came.
      google.protobuf.Timestamp created_at = 2;
      map<string, Query> by_name = 3;
      oneof price { int32 cents = 4; string text = 5; }
      optional bool new = 6;
      // Colours.
      enum Colour {
        NONE = 0;
        // Like blood.
        RED = 1;
      }
      repeated Colour colours = 7;
    }
    message Query { string text = 1 [json_name = "q"]; }
"#;

#[test]
fn services_and_types_are_described_with_their_comments() {
    let pool = Pool::from_set(&compile(SHOP)).unwrap();
    let service = pool.find_service("shop.Shop").unwrap();
    assert_eq!((pool.services().len(), service.comment.as_str()), (1, "Sells things."));
    let streams: Vec<_> = service
        .methods
        .iter()
        .map(|method| (method.name.as_str(), method.client_streaming, method.server_streaming))
        .collect();
    let expected = [
        ("Find", false, false),
        ("Watch", false, true),
        ("Upload", true, false),
        ("Chat", true, true),
    ];
    assert_eq!(streams, expected);
    let (_, find) = pool.find_method("shop.Shop/Find").unwrap();
    assert_eq!(find.comment, "Finds an item.");
    assert_eq!(find.idempotency, Idempotency::NoSideEffects);
    assert_eq!(find.options, varint(34, 1));
    assert_eq!(pool.message(find.input).full_name, "shop.Query");
    let (_, watch) = pool.find_method("shop.Shop/Watch").unwrap();
    assert!(watch.deprecated && watch.idempotency == Idempotency::Unknown);
    assert_eq!(pool.message(watch.input).full_name, "google.protobuf.Empty");
    assert!(pool.find_method("shop.Shop/Nope").is_none());

    let item = pool.message(pool.find_message("shop.Item").unwrap());
    assert_eq!(item.comment, "What is for sale.");
    let fields: Vec<_> = item
        .fields
        .iter()
        .map(|field| (field.json_name.as_str(), field.cardinality, field.presence, field.oneof))
        .collect();
    let (one, many) = (Cardinality::Singular, Cardinality::Repeated);
    let expected = [
        ("name", one, false, None),
        ("createdAt", one, true, None),
        ("byName", Cardinality::Map, false, None),
        ("cents", one, true, Some(0)),
        ("text", one, true, Some(0)),
        ("new", one, true, None),
        ("colours", many, false, None),
    ];
    assert_eq!(fields, expected);
    assert_eq!(item.fields[1].comment, "When it came.");
    assert!(item.fields[5].proto3_optional && item.fields[6].packed);
    assert_eq!(item.oneofs.len(), 1);
    let colour = pool.enumeration(pool.find_enum("shop.Item.Colour").unwrap());
    assert_eq!((colour.values[1].comment.as_str(), colour.closed), ("Like blood.", false));
    assert_eq!(item.fields[6].kind, Kind::Enum(pool.find_enum("shop.Item.Colour").unwrap()));
    let query = pool.message(pool.find_message("shop.Query").unwrap());
    assert_eq!(query.fields[0].json_name, "q");
    let file = pool.file(query.file);
    assert_eq!(
        (file.name.as_str(), file.package.as_str(), file.bundled),
        ("test.proto", "shop", false)
    );
}

#[test]
fn a_file_of_the_set_takes_precedence_over_the_bundled_one() {
    let own = [
        field(1, b"google/rpc/status.proto"),
        field(2, b"google.rpc"),
        message("Status", &[member("own", 1, "")]),
        field(12, b"proto3"),
    ];
    let pool = Pool::from_files([own.concat()]).unwrap();
    let status = pool.message(pool.find_message("google.rpc.Status").unwrap());
    assert_eq!(status.fields[0].name, "own");
    // Also if the file has another name.
    let named = [field(1, b"own.proto"), own[1..].concat()].concat();
    let pool = Pool::from_files([named]).unwrap();
    assert_eq!(pool.message(pool.find_message("google.rpc.Status").unwrap()).fields[0].name, "own");
}

#[test]
fn a_well_known_type_with_other_fields_is_refused() {
    let own = [
        field(1, b"own.proto"),
        field(2, b"google.protobuf"),
        message("Timestamp", &[member("seconds", 1, "")]),
        field(12, b"proto3"),
    ];
    let error = Tables::new(&Pool::from_files([own.concat()]).unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "descriptor of \"own.proto\": google.protobuf.Timestamp: expected the fields that protobuf \
         gives this well-known type"
    );
}

#[test]
fn a_file_may_come_twice_but_not_with_other_content() {
    let one = file(&[message("M", &[])]);
    assert_eq!(Pool::from_files([&one, &one]).unwrap().services().len(), 0);
    assert_eq!(refused(&[one, file(&[message("N", &[])])]), DescriptorProblem::OtherContent);
}

#[test]
fn names_are_found_from_within_their_scope() {
    let inner = field(3, &[field(1, b"Inner"), member("up", 1, "Outer")].concat());
    let outer =
        message("Outer", &[inner, member("down", 1, "Inner"), member("full", 2, ".p.Outer.Inner")]);
    let pool = Pool::from_files([file(&[field(2, b"p"), outer])]).unwrap();
    let inner = pool.find_message("p.Outer.Inner").unwrap();
    let outer = pool.find_message("p.Outer").unwrap();
    assert_eq!(pool.message(inner).fields[0].kind, Kind::Message(outer));
    assert!(pool.message(outer).fields.iter().all(|field| field.kind == Kind::Message(inner)));
}

#[test]
fn later_editions_are_read_and_unknown_syntaxes_are_not() {
    let with = |syntax: &[u8], edition| {
        let parts = [field(1, b"a.proto"), message("M", &[member("a", 1, "")]), field(12, syntax)];
        Pool::from_files([[parts.concat(), varint(14, edition)].concat()])
    };
    let pool = with(b"editions", 1005).unwrap();
    assert!(pool.message(pool.find_message("M").unwrap()).fields[0].presence);
    assert!(matches!(with(b"proto4", 1005).unwrap_err().problem, DescriptorProblem::Syntax(_)));
    assert!(matches!(with(b"editions", 5).unwrap_err().problem, DescriptorProblem::Syntax(_)));
}

#[test]
fn a_placeholder_for_a_file_is_no_file() {
    let placeholder = |name: &[u8]| [field(1, name), field(12, b"<unknown:0>")].concat();
    let user = file(&[
        field(3, b"validate.proto"),
        message("M", &[member("a", 1, ".google.protobuf.Any")]),
    ]);
    // The bundled file is used instead.
    let files = [placeholder(b"validate.proto"), placeholder(b"google/protobuf/any.proto"), user];
    assert!(Pool::from_files(files).unwrap().find_message("M").is_some());
    let unknown = [message("N", &[]), placeholder(b"n.proto")].concat();
    assert!(matches!(refused(&[unknown]), DescriptorProblem::Syntax(_)));
}

#[test]
fn an_extension_of_a_message_that_the_set_lacks_is_left_out() {
    let extension = [field(2, b".other.Options"), member("x", 1, "")[2..].to_vec()].concat();
    let pool = Pool::from_files([file(&[field(7, &extension)])]).unwrap();
    assert!(pool.extensions().iter().all(|extension| extension.field.name != "x"));
}

#[test]
fn sets_that_contradict_themselves_are_refused() {
    let duplicate = |name: &str| DescriptorProblem::Duplicate { name: name.to_owned() };
    let m = |parts: &[Vec<u8>]| refused(&[file(&[message("M", parts)])]);
    assert_eq!(refused(&[file(&[message("M", &[]), message("M", &[])])]), duplicate("M"));
    assert_eq!(m(&[member("a", 1, ""), member("a", 2, "")]), duplicate("M.a"));
    assert_eq!(m(&[member("a", 1, ""), member("b", 1, "")]), duplicate("M.b"));
    for number in [0, 1 << 31, u64::MAX] {
        assert!(matches!(m(&[member("a", number, "")]), DescriptorProblem::Invalid { .. }));
    }
    let unknown =
        DescriptorProblem::UnknownType { element: "M.a".to_owned(), type_name: ".Nope".to_owned() };
    assert_eq!(m(&[member("a", 1, ".Nope")]), unknown);
    for name in ["", "1a", "a b", "a\u{0}", "<script>", "é"] {
        assert!(matches!(m(&[member(name, 1, "")]), DescriptorProblem::Name(_)), "{name}");
        let named = refused(&[file(&[message(name, &[])])]);
        assert!(matches!(named, DescriptorProblem::Name(_)), "{name}");
    }
    assert_eq!(m(&[member(&"a".repeat(2000), 1, "")]), DescriptorProblem::Text);
    assert_eq!(refused(&[field(1, b"\xff")]), DescriptorProblem::Text);
    let empty_enum = field(5, &field(1, b"E"));
    assert!(matches!(refused(&[file(&[empty_enum])]), DescriptorProblem::Invalid { .. }));
    // A map entry without a key.
    let entry = field(7, &varint(7, 1));
    assert!(matches!(m(&[member("value", 2, ""), entry]), DescriptorProblem::Invalid { .. }));
    let method = field(2, &[field(1, b"Do"), field(2, b".Nope"), field(3, b".Nope")].concat());
    let service = field(6, &[field(1, b"S"), method].concat());
    let error = Pool::from_files([file(&[service])]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "descriptor of \"test.proto\": S.Do needs \".Nope\", which is not in the set"
    );
    assert!(matches!(refused(&[b"\x0a\x05a".to_vec()]), DescriptorProblem::Malformed(_)));
}

#[test]
fn sets_beyond_the_limits_are_refused() {
    let nested = |levels: usize| {
        let mut inner = field(1, b"M");
        for _ in 1..levels {
            inner = [field(1, b"M"), field(3, &inner)].concat();
        }
        file(&[field(4, &inner)])
    };
    assert!(Pool::from_files([nested(32)]).is_ok());
    assert_eq!(refused(&[nested(33)]), DescriptorProblem::TooDeep);
    assert_eq!(refused(&[nested(5_000)]), DescriptorProblem::TooDeep);
    let files: Vec<_> = (0..=Pool::MAX_FILES).map(|at| field(1, &at.to_le_bytes())).collect();
    assert!(matches!(refused(&files), DescriptorProblem::TooMany { what: "files", .. }));
    let empty = field(4, b"").repeat(Pool::MAX_TYPES + 1);
    assert!(matches!(refused(&[file(&[empty])]), DescriptorProblem::TooMany { .. }));
    let fields: Vec<_> = (1..=10_001).map(|at| member(&format!("f{at}"), at, "")).collect();
    let many = DescriptorProblem::TooMany { what: "fields in a message", limit: Pool::MAX_FIELDS };
    assert_eq!(refused(&[file(&[message("M", &fields)])]), many);
    assert!(Pool::from_files([file(&[message("M", &fields[1..])])]).is_ok());
    let error = Pool::from_set(&vec![0; Pool::MAX_SIZE + 1]).unwrap_err();
    assert_eq!(error.problem, DescriptorProblem::TooLarge { size: Pool::MAX_SIZE + 1 });
}

proptest! {
    #[test]
    fn any_bytes_are_linked_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Pool::from_set(&bytes);
        let _ = Pool::from_files([&bytes]);
    }

    #[test]
    fn damaged_sets_are_linked_or_refused(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        static SET: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| compile(SHOP));
        let mut set = SET.clone();
        let at = at.index(set.len());
        set[at] = byte;
        set.truncate(cut.index(set.len() * 4).max(at + 1));
        if let Ok(pool) = Pool::from_set(&set) {
            let _ = Tables::new(&pool);
        }
    }
}
