//! Gateways of a service whose types have everything that descriptions show. Its upstream is never
//! called.

use std::path::Path;

use protox::Compiler;
use sockeye_gateway::catalog::{Descriptors, Source};
use sockeye_gateway::reflection::FileSet;
use sockeye_gateway::{Builder, Gateway};

use crate::support::upstream;

/// Returns the settings of a gateway of `tests/data/library.proto`.
pub(crate) fn library() -> Builder {
    Gateway::builder().source(source(&["library.proto"], "library.Books"))
}

/// Returns the settings of a gateway with a second upstream, which has another type of one name.
pub(crate) fn two_libraries() -> Builder {
    library().source(source(&["authors.proto"], "library.Authors"))
}

fn source(files: &[&str], service: &str) -> Source {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler =
        Compiler::new([folder.join("tests/data"), folder.join("testing/proto")]).unwrap();
    compiler.include_imports(true).include_source_info(true).open_files(files).unwrap();
    let set = FileSet::from_descriptor_set(compiler.encode_file_descriptor_set().into()).unwrap();
    Source::new(upstream("http://127.0.0.1:1"))
        .descriptors(Descriptors::Fixed(set))
        .services([service])
}
