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

/// A service's definition and the file generated from it, in the crate's folder.
struct Service {
    folder: &'static str,
    definition: &'static str,
    generated: &'static str,
}

const SERVICES: [Service; 2] = [
    Service {
        folder: "crates/grpc/testing",
        definition: "testing.proto",
        generated: "sockeye.testing.rs",
    },
    Service {
        folder: "demo/service",
        definition: "demo.proto",
        generated: "sockeye.demo.v1.rs",
    },
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => return Err("usage: sockeye-codegen [--check]".into()),
    };
    let mut status = ExitCode::SUCCESS;
    for service in &SERVICES {
        let path = service.path();
        let code = service.generate()?;
        if !check {
            fs::write(&path, code)?;
            println!("wrote {}", path.display());
        } else if fs::read_to_string(&path)? != code {
            eprintln!("{} is not what {} generates", path.display(), service.definition);
            status = ExitCode::FAILURE;
        }
    }
    Ok(status)
}

impl Service {
    fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(self.folder)
    }

    fn path(&self) -> PathBuf {
        self.folder().join("src/generated").join(self.generated)
    }

    fn generate(&self) -> Result<String, Box<dyn Error>> {
        let files = protox::compile([self.definition], [self.folder().join("proto")])?;
        let output = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/generated");
        fs::create_dir_all(&output)?;
        // The stubs take any channel: tonic's own does not exist in a browser.
        let generator = tonic_prost_build::configure().build_transport(false).out_dir(&output);
        generator.compile_fds(files)?;
        Ok(fs::read_to_string(output.join(self.generated))?)
    }
}
