//! Generates messages and stubs from the service definition, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["demo.proto"], ["proto"])?;
    // The stubs take any channel: tonic's own is not available in a browser.
    tonic_prost_build::configure().build_transport(false).compile_fds(files)?;
    Ok(())
}
