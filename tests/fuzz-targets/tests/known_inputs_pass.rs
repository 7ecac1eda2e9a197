//! Every input in `fuzz/seeds/` and `fuzz/corpus/` passes the check of its target.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use sockeye_fuzz_targets as targets;

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.expect("a readable folder").path()).collect()
}

fn replay(target: &str, check: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let seeds = files(&fuzz.join("seeds").join(target));
    assert!(!seeds.is_empty(), "{target} has seeds");
    for path in seeds.into_iter().chain(files(&fuzz.join("corpus").join(target))) {
        let input = fs::read(&path).expect("a readable file");
        let result = catch_unwind(AssertUnwindSafe(|| check(&input)));
        assert!(result.is_ok(), "{target} fails for {}", path.display());
    }
}

macro_rules! targets {
    ($($target:ident),* $(,)?) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target), targets::$target::check);
            }
        )*
    };
}

targets![
    connection_client,
    connection_server,
    deflate,
    handshake_request,
    handshake_response,
    header,
    inflate,
    mux,
    oracle,
    resume,
];
