//! Generates the messages and stubs of the services in the repository, which are in git, so that
//! builds need no generator:
//!
//! ```text
//! cargo run --manifest-path codegen/Cargo.toml              writes them
//! cargo run --manifest-path codegen/Cargo.toml -- --check   compares, and fails if one differs
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

/// The definitions of a crate, in its folder `proto`. What is generated is in `src/generated`.
struct Definitions {
    folder: &'static str,
    files: &'static [&'static str],
    /// `true` to generate `descriptors.bin` too, the file descriptor set with comments.
    descriptors: bool,
}

/// The folder of the definitions that others import: the options of HTTP rules.
const IMPORTS: &str = "crates/gateway/testing/proto";

const DEFINITIONS: [Definitions; 4] = [
    Definitions {
        folder: "crates/gateway/testing",
        files: &["echo.proto", "reflection_v1.proto", "reflection_v1alpha.proto", "health.proto"],
        descriptors: true,
    },
    Definitions { folder: "crates/grpc/testing", files: &["testing.proto"], descriptors: false },
    Definitions { folder: "demo/library", files: &["library.proto"], descriptors: true },
    Definitions { folder: "demo/service", files: &["demo.proto"], descriptors: false },
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => return Err("usage: sockeye-codegen [--check]".into()),
    };
    let mut status = ExitCode::SUCCESS;
    for definitions in &DEFINITIONS {
        let folder = definitions.folder().join("src/generated");
        for generated in definitions.generate()? {
            let name = generated.file_name().expect("a file of the folder");
            // Options of methods, which are read from the descriptors.
            if name == "google.api.rs" {
                continue;
            }
            let path = folder.join(name);
            let content = fs::read(&generated)?;
            if !check {
                fs::write(&path, content)?;
                println!("wrote {}", path.display());
            } else if fs::read(&path).ok() != Some(content) {
                eprintln!("{} is not what the definitions generate", path.display());
                status = ExitCode::FAILURE;
            }
        }
    }
    Ok(status)
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Definitions {
    fn folder(&self) -> PathBuf {
        repository().join(self.folder)
    }

    /// Generates into a folder of the build, and returns the files.
    fn generate(&self) -> Result<Vec<PathBuf>, Box<dyn Error>> {
        let output =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("target/generated").join(self.folder);
        let _ = fs::remove_dir_all(&output);
        fs::create_dir_all(&output)?;
        let imports = repository().join(IMPORTS);
        let mut compiler = protox::Compiler::new([self.folder().join("proto"), imports])?;
        compiler.include_imports(true).include_source_info(true).open_files(self.files)?;
        if self.descriptors {
            fs::write(output.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
        }
        // The stubs take any channel: tonic's own does not exist in a browser.
        let generator = tonic_prost_build::configure().build_transport(false).out_dir(&output);
        generator.compile_fds(compiler.file_descriptor_set())?;
        let files = fs::read_dir(&output)?.map(|entry| entry.map(|entry| entry.path()));
        let mut files = files.collect::<Result<Vec<_>, _>>()?;
        files.sort();
        Ok(files)
    }
}
